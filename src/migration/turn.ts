import type { Clock } from '../async/clock.ts'
import { YIELD_MS } from './limits.ts'

/** A stretch of work that may never wait for anything by itself: over after `YIELD_MS`, when other tasks must have theirs. */
export class Turn {
  readonly #clock: Clock
  #startedAt: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAt = clock.now()
  }

  get isOver(): boolean {
    return this.#clock.now() - this.#startedAt >= YIELD_MS
  }

  /** Lets other tasks run once and starts anew. */
  async pass(): Promise<void> {
    await this.#clock.yield()
    this.#startedAt = this.#clock.now()
  }
}
