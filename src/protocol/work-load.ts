import { HANDLED_BYTES, UNPROVEN_BYTES } from './limits.ts'

interface HeldRequest {
  readonly cost: number
  readonly start: () => void
}

/**
 * The requests a connection is working on, by what they cost. Beyond the limit they are held in the order they came, and readers wait, so
 * that a peer has us hold no more than the limit and what one slice of bytes brings.
 */
export class WorkLoad {
  #limit: number
  #cost = 0
  #held: HeldRequest[] = []
  #next = 0
  #readers: (() => void)[] = []
  #isOver = false
  #isStarting = false

  /** `proven`: whether the peer is known already; a stranger gets less until {@link prove}. */
  constructor(proven: boolean) {
    this.#limit = proven ? HANDLED_BYTES : UNPROVEN_BYTES
  }

  get cost(): number {
    return this.#cost
  }

  prove(): void {
    this.#limit = HANDLED_BYTES
    this.#goOn()
  }

  /** Starts the work now, or when those before it have started and there is room. What has been added must be {@link remove}d. */
  run(cost: number, start: () => void): void {
    if (this.#cost <= this.#limit && this.#next === this.#held.length) {
      this.#cost += cost
      start()
    } else this.#held.push({ cost, start })
  }

  add(cost: number): void {
    this.#cost += cost
  }

  remove(cost: number): void {
    this.#cost -= cost
    this.#goOn()
  }

  /** Resolves when there is room for more; at once, as undefined, when there is. */
  room(): Promise<void> | undefined {
    if (this.#hasRoom()) return undefined
    return new Promise((go) => this.#readers.push(go))
  }

  /** Nothing starts any more and nobody waits. */
  stop(): void {
    this.#isOver = true
    this.#held = []
    this.#next = 0
    for (const go of this.#readers.splice(0)) go()
  }

  #hasRoom(): boolean {
    return this.#isOver || (this.#cost <= this.#limit && this.#next === this.#held.length)
  }

  #goOn(): void {
    // Work that ends at once comes back here.
    if (this.#isStarting) return
    this.#isStarting = true
    while (this.#next < this.#held.length && this.#cost <= this.#limit) {
      const { cost, start } = this.#held[this.#next++]!
      this.#cost += cost
      start()
    }
    this.#isStarting = false
    if (this.#next === this.#held.length) {
      this.#held = []
      this.#next = 0
    }
    if (this.#hasRoom()) for (const go of this.#readers.splice(0)) go()
  }
}
