import { type Clock, systemClock } from '../../async/clock.ts'
import { FLUSH_MS } from './limits.ts'

/**
 * Flushes a while after something was written, and at once when the page is about to go: the flushes that a guest asks for end in the emulator.
 * What fails is told to whoever asked, and tried again with the next write.
 */
export class FlushClock {
  readonly #flush: () => Promise<void>
  readonly #clock: Clock
  readonly #stop = new AbortController()
  #isDue = false
  #isWaiting = false

  /** `flush` deals with its failures itself. */
  constructor(flush: () => Promise<void>, clock: Clock = systemClock) {
    this.#flush = flush
    this.#clock = clock
    const { signal } = this.#stop
    const hurry = () => void this.#now()
    // Absent in Node. A page that is hidden may be frozen or discarded without another word.
    globalThis.addEventListener?.('pagehide', hurry, { signal })
    globalThis.document?.addEventListener('visibilitychange', hurry, { signal })
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
    try {
      await this.#clock.sleep(FLUSH_MS, this.#stop.signal)
      await this.#now()
    } catch {
      // Ended: whoever ends it flushes if need be.
    } finally {
      this.#isWaiting = false
    }
    if (this.#isDue && !this.#stop.signal.aborted) void this.#wait()
  }

  async #now(): Promise<void> {
    if (!this.#isDue) return
    this.#isDue = false
    await this.#flush()
  }
}
