import type { IoOptions, StorageProvider } from '../../storage/provider.ts'
import { StorageWrapper } from '../../storage/wrapper.ts'
import { DATABASE_START, FLUSH_BYTES } from './limits.ts'

/**
 * The destination of a database that moves: what belongs to the head stays in memory, so that the disk says of itself what is true of it, that only a
 * part has arrived, and never what was true of the disk that it comes from.
 *
 * It flushes little and often: a sync access handle holds the whole worker, and with it every query, until all that was written has reached the drive.
 */
export class ArrivingCopy extends StorageWrapper {
  readonly #front = new Uint8Array(DATABASE_START)
  #unflushed = 0
  writeAtSync?: (data: Uint8Array, offset: number) => number

  readonly #turn: () => Promise<void>

  /** @param turn resolves when a write may go that can wait; default: at once */
  constructor(inner: StorageProvider, turn: () => Promise<void> = async () => {}) {
    super(inner)
    this.#turn = turn
    // The inner disk would tell of what is on it at the front.
    delete this.extents
    const { readAtSync, writeAtSync } = inner
    if (readAtSync && writeAtSync) {
      this.writeAtSync = (data, offset) => {
        const kept = this.#keep(data, offset)
        const written = kept < data.length ? writeAtSync.call(inner, data.subarray(kept), offset + kept) : 0
        if (this.#isFlushDue(written)) inner.flushSync?.()
        return kept + written
      }
      this.readAtSync = (target, offset) => {
        const kept = this.#recall(target, offset)
        return kept + (kept < target.length ? readAtSync.call(inner, target.subarray(kept), offset + kept) : 0)
      }
    }
  }

  override async writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    await this.#turn()
    const kept = this.#keep(data, offset)
    const written = kept < data.length ? await this.inner.writeAt(data.subarray(kept), offset + kept, options) : 0
    if (this.#isFlushDue(written)) await this.inner.flush()
    return kept + written
  }

  override async readAt(target: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const kept = this.#recall(target, offset)
    return kept + (kept < target.length ? await this.inner.readAt(target.subarray(kept), offset + kept, options) : 0)
  }

  #isFlushDue(written: number): boolean {
    this.#unflushed += written
    if (this.#unflushed < FLUSH_BYTES) return false
    this.#unflushed = 0
    return true
  }

  /** Takes what belongs to the front; returns how many bytes those are. */
  #keep(data: Uint8Array, offset: number): number {
    const length = Math.max(0, Math.min(data.length, DATABASE_START - offset))
    if (length > 0) this.#front.set(data.subarray(0, length), offset)
    return length
  }

  #recall(target: Uint8Array, offset: number): number {
    const length = Math.max(0, Math.min(target.length, DATABASE_START - offset))
    if (length > 0) target.set(this.#front.subarray(offset, offset + length))
    return length
  }
}
