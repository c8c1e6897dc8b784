import { type Clock, systemClock } from '../async/clock.ts'
import type { IoOptions, StorageProvider } from '../storage/provider.ts'
import { StorageWrapper } from '../storage/wrapper.ts'

/** Timers are late by a millisecond or so; what the link could have sent meanwhile, as much as any buffer holds, it sends at once. */
const BUFFER_MS = 20

/** A disk behind a link of a given rate: writes to it take the time that their bytes need, one after the other. */
export class PacedDisk extends StorageWrapper {
  readonly #bytesPerSecond: number
  readonly #clock: Clock
  /** When the link has sent everything it was given. */
  #freeAt = 0

  constructor(inner: StorageProvider, bytesPerSecond: number, clock = systemClock) {
    super(inner)
    this.#bytesPerSecond = bytesPerSecond
    this.#clock = clock
  }

  override async writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const now = this.#clock.now()
    this.#freeAt = Math.max(this.#freeAt, now - BUFFER_MS) + (data.length / this.#bytesPerSecond) * 1000
    if (this.#freeAt > now) await this.#clock.sleep(this.#freeAt - now, options?.signal)
    return this.inner.writeAt(data, offset, options)
  }
}
