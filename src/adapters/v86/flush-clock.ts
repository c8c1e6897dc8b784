import { type Clock, systemClock } from '../../async/clock.ts'
import { FLUSH_MS } from './limits.ts'

/** What a {@link FlushClock} does. */
export interface FlushWork {
  /** Makes durable what was written so far, and tells whether it could. */
  flush(): Promise<boolean>
  /** Sends off what waits, within this turn: there may be no other. */
  hurry(): void
}

/**
 * Flushes a while after something was written, and at once when the page is about to go: the flushes that a guest asks for end in the emulator. What could
 * not be flushed is tried again after the same while.
 */
export class FlushClock {
  readonly #work: FlushWork
  readonly #clock: Clock
  readonly #stop = new AbortController()
  #isDue = false
  #isWaiting = false
  #isFlushing = false

  constructor(work: FlushWork, clock: Clock = systemClock) {
    this.#work = work
    this.#clock = clock
    // Before the storages hear of it: one gives its file back then.
    const how = { signal: this.#stop.signal, capture: true }
    // Absent in Node. A page that is hidden may be frozen or discarded without another word.
    globalThis.addEventListener?.('pagehide', () => this.#leave(), how)
    const { document } = globalThis
    document?.addEventListener('visibilitychange', () => document.hidden && this.#leave(), how)
  }

  /** Something was written. */
  written(): void {
    this.#isDue = true
    if (!this.#isWaiting && !this.#stop.signal.aborted) void this.#wait()
  }

  end(): void {
    this.#stop.abort()
  }

  async #wait(): Promise<void> {
    this.#isWaiting = true
    const { signal } = this.#stop
    while (this.#isDue && !signal.aborted) {
      // Ended: whoever ends it flushes if need be.
      await this.#clock.sleep(FLUSH_MS, signal).catch(() => {})
      if (!signal.aborted) await this.#flush()
    }
    this.#isWaiting = false
  }

  #leave(): void {
    if (!this.#isDue && !this.#isFlushing) return
    this.#work.hurry()
    void this.#flush()
  }

  async #flush(): Promise<void> {
    this.#isDue = false
    this.#isFlushing = true
    if (!(await this.#work.flush())) this.#isDue = true
    this.#isFlushing = false
  }
}
