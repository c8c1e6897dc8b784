import type { HashTree } from './hash-tree.ts'
import type { IoOptions, StorageProvider } from './provider.ts'
import { StorageWrapper } from './wrapper.ts'

/**
 * Keeps the hashes of a disk up to date with what is written to it, so that its root is known without reading it. A write that does not
 * cover whole blocks is followed by a read of the blocks it touched.
 *
 * Writes of one block must not overlap in time: the hash would be that of the one that ended last.
 */
export class HashingStorage extends StorageWrapper {
  readonly #tree: HashTree
  zeroAt?: (offset: number, length: number) => Promise<number>

  /** `tree` holds the hashes of what `inner` holds now: fresh for a disk that reads as zero. */
  constructor(inner: StorageProvider, tree: HashTree) {
    super(inner)
    this.#tree = tree
    if (inner.zeroAt) {
      this.zeroAt = async (offset, length) => {
        const count = await inner.zeroAt!(offset, length)
        if (this.#coversBlocks(offset, count))
          this.#tree.updateZero(offset / tree.blockSize, Math.ceil(count / tree.blockSize))
        else await this.#readAgain(offset, count)
        return count
      }
    }
  }

  override async writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const count = await this.inner.writeAt(data, offset, options)
    if (this.#coversBlocks(offset, count)) this.#tree.update(offset / this.#tree.blockSize, data.subarray(0, count))
    else await this.#readAgain(offset, count)
    return count
  }

  #coversBlocks(offset: number, length: number): boolean {
    const { blockSize } = this.#tree
    return offset % blockSize === 0 && (length % blockSize === 0 || offset + length === this.size)
  }

  async #readAgain(offset: number, length: number): Promise<void> {
    const { blockSize } = this.#tree
    const block = new Uint8Array(blockSize)
    const end = Math.ceil((offset + length) / blockSize)
    for (let number = Math.floor(offset / blockSize); number < end; number++) {
      const count = await this.inner.readAt(block, number * blockSize)
      this.#tree.update(number, block.subarray(0, count))
    }
  }
}
