import type { BlockGenerations } from './block-generations.ts'
import { ACTIVE_WRITES } from './limits.ts'

interface ActiveWrite {
  readonly start: number
  readonly end: number
  readonly ended: Promise<void>
}

/** Stores the blocks `[start, end)` of a write, or a part of them that no newer copy forbids. */
export type StoreBlocks = (start: number, end: number) => Promise<void>

/**
 * Writes of one device on their way into its storage: those that share a block are stored one after the other, in the order they came,
 * and none replaces a newer copy.
 */
export class ArrivingWrites {
  readonly #generations: BlockGenerations
  readonly #active: ActiveWrite[] = []
  readonly #turns: (() => void)[] = []
  #running = 0

  constructor(generations: BlockGenerations) {
    this.#generations = generations
  }

  /** Resolves when the write is stored as far as it is to be. @throws what `store` throws; `MALFORMED` */
  async write(blocks: { start: number; end: number; generation: number }, store: StoreBlocks): Promise<void> {
    const { start, end, generation } = blocks
    if (this.#running >= ACTIVE_WRITES) await new Promise<void>((go) => this.#turns.push(go))
    else this.#running++
    let done = () => {}
    const ended = new Promise<void>((resolve) => {
      done = resolve
    })
    const before = this.#active.filter((other) => other.start < end && start < other.end)
    const active = { start, end, ended }
    this.#active.push(active)
    try {
      for (const other of before) await other.ended
      // Asked now, not when it came: a newer copy may have arrived meanwhile.
      for (const [from, to] of this.#generations.writable(generation, start, end)) await store(from, to)
    } finally {
      this.#active.splice(this.#active.indexOf(active), 1)
      done()
      const next = this.#turns.shift()
      if (next) next()
      else this.#running--
    }
  }
}
