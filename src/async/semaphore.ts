import { assert } from '../errors/assert.ts'

/** Bounded permits, first come first served. Waiting holds nothing but one callback. */
export class Semaphore {
  readonly #limit: number
  #taken = 0
  readonly #waiting: (() => void)[] = []

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Permits out now. */
  get taken(): number {
    return this.#taken
  }

  /** Takes a permit if one is free and nobody waits. */
  tryAcquire(): boolean {
    if (this.#taken >= this.#limit) return false
    this.#taken++
    return true
  }

  /** Takes a permit, waiting for one where needed; each must be given back with {@link release}, in a `finally`. */
  async acquire(): Promise<void> {
    if (this.tryAcquire()) return
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Gives a permit back; the longest waiting caller gets it. */
  release(): void {
    assert(this.#taken > 0, 'a permit is released once')
    const next = this.#waiting.shift()
    if (next) next()
    else this.#taken--
  }
}
