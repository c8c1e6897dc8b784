import { type Clock, systemClock } from '../../src/async/clock.ts'
import type { IoOptions, StorageProvider } from '../../src/storage/provider.ts'
import { StorageWrapper } from '../../src/storage/wrapper.ts'
import type { Settings } from './settings.ts'

/** Runs on the link at a time, and how long all of them take to cross: more would only wait there, and Cancel for them. */
const RUNS = 16
const WINDOW_MS = 250

/** How much to have under way on a link of this speed; a storage without one knows best itself. */
export function linkWindow({ linkRate, blockSize }: Settings): { runBytes?: number; concurrency?: { any: number } } {
  if (linkRate === 0) return {}
  return { runBytes: Math.max(blockSize, (linkRate * WINDOW_MS) / 1000 / RUNS), concurrency: { any: RUNS } }
}

/** Bytes a link may be late by and still catch up, in milliseconds: timers are this coarse under load. */
const CATCH_UP_MS = 20

/** A disk behind a link of limited speed: a write ends no sooner than its bytes would have crossed. */
export class LinkLimit extends StorageWrapper {
  readonly #bytesPerMs: number
  readonly #clock: Clock
  /** When the link has carried everything given to it so far. */
  #freeAt = 0
  zeroAt?: (offset: number, length: number) => Promise<number>

  constructor(inner: StorageProvider, bytesPerSecond: number, clock = systemClock) {
    super(inner)
    this.#bytesPerMs = bytesPerSecond / 1000
    this.#clock = clock
    // A stretch of zeroes crosses as two numbers.
    if (inner.zeroAt) this.zeroAt = (offset, length) => inner.zeroAt!(offset, length)
  }

  override async writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const now = this.#clock.now()
    this.#freeAt = Math.max(this.#freeAt, now - CATCH_UP_MS) + data.length / this.#bytesPerMs
    const wait = this.#freeAt - now
    const [count] = await Promise.all([
      this.inner.writeAt(data, offset, options),
      wait > 1 ? this.#clock.sleep(wait, options?.signal) : undefined,
    ])
    return count
  }
}
