import { systemClock } from '../../src/async/clock.ts'
import type { IoOptions, StorageProvider } from '../../src/storage/provider.ts'
import { StorageWrapper } from '../../src/storage/wrapper.ts'

/** Bytes a link may be late by and still catch up, in milliseconds: timers are this coarse under load. */
const CATCH_UP_MS = 20

/** A disk behind a link of limited speed: a write ends no sooner than its bytes would have crossed. */
export class LinkLimit extends StorageWrapper {
  readonly #bytesPerMs: number
  /** When the link has carried everything given to it so far. */
  #freeAt = 0
  zeroAt?: (offset: number, length: number) => Promise<number>

  constructor(inner: StorageProvider, bytesPerSecond: number) {
    super(inner)
    this.#bytesPerMs = bytesPerSecond / 1000
    // A stretch of zeroes crosses as two numbers.
    if (inner.zeroAt) this.zeroAt = (offset, length) => inner.zeroAt!(offset, length)
  }

  override async writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const now = systemClock.now()
    this.#freeAt = Math.max(this.#freeAt, now - CATCH_UP_MS) + data.length / this.#bytesPerMs
    const wait = this.#freeAt - now
    const [count] = await Promise.all([
      this.inner.writeAt(data, offset, options),
      wait > 1 ? systemClock.sleep(wait, options?.signal) : undefined,
    ])
    return count
  }
}
