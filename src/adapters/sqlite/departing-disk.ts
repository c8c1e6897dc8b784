import type { IoOptions, StorageProvider } from '../../storage/provider.ts'
import { readFully } from '../../storage/sequential-reader.ts'
import { StorageWrapper } from '../../storage/wrapper.ts'
import { AFTER_SLOTS } from './head-slots.ts'

/**
 * The disk of a database that is given away: once its slots are kept they read as they were then. What the disk says of itself from then on, that the
 * database is no longer here, is not true where it goes, and the blocks of the slots may be asked for after that.
 */
export class DepartingDisk extends StorageWrapper {
  #slots: Uint8Array | undefined
  zeroAt?: (offset: number, length: number) => Promise<number>
  writeAtSync?: (data: Uint8Array, offset: number) => number

  constructor(inner: StorageProvider) {
    super(inner)
    const { zeroAt, writeAtSync, readAtSync } = inner
    if (zeroAt) this.zeroAt = (offset, length) => zeroAt.call(inner, offset, length)
    if (writeAtSync) this.writeAtSync = (data, offset) => writeAtSync.call(inner, data, offset)
    if (readAtSync) {
      this.readAtSync = (target, offset) => this.#shown(target, offset, readAtSync.call(inner, target, offset))
    }
  }

  async keepSlots(): Promise<void> {
    const slots = new Uint8Array(AFTER_SLOTS)
    await readFully(this.inner, slots, 0)
    this.#slots = slots
  }

  /** The slots read as what is in them again. */
  showSlots(): void {
    this.#slots = undefined
  }

  override async readAt(target: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    return this.#shown(target, offset, await this.inner.readAt(target, offset, options))
  }

  #shown(target: Uint8Array, offset: number, count: number): number {
    const kept = this.#slots?.subarray(offset, offset + count)
    if (kept) target.set(kept)
    return count
  }
}
