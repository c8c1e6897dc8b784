import { checkBlockSize } from '../errors/invalid-argument-error.ts'
import type { IoOptions, StorageProvider } from '../storage/provider.ts'
import { blockCount, endBlock, firstBlock } from '../storage/range.ts'
import { StorageWrapper } from '../storage/wrapper.ts'
import { addBlocks, type BlockOrder, type BlockRun } from './block-order.ts'
import { RECENT_READS } from './limits.ts'

/** The application's face of a disk that remembers which blocks were read last, at most `RECENT_READS`: what its new owner is likely to read next. */
export class RecentReads extends StorageWrapper {
  readonly blockSize: number
  /** A Set keeps the order of insertion: the block read last stands last. */
  readonly #blocks = new Set<number>()
  readonly #numBlocks: number
  zeroAt?: (offset: number, length: number) => Promise<number>
  writeAtSync?: (data: Uint8Array, offset: number) => number

  constructor(inner: StorageProvider, blockSize: number) {
    super(inner)
    this.blockSize = checkBlockSize('blockSize', blockSize)
    this.#numBlocks = blockCount(inner.size, blockSize)
    if (inner.zeroAt) this.zeroAt = (offset, length) => inner.zeroAt!(offset, length)
    if (inner.writeAtSync) this.writeAtSync = (data, offset) => inner.writeAtSync!(data, offset)
    if (inner.readAtSync) {
      this.readAtSync = (target, offset) => {
        this.#record(offset, target.length)
        return inner.readAtSync!(target, offset)
      }
    }
  }

  override readAt(target: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    this.#record(offset, target.length)
    return this.inner.readAt(target, offset, options)
  }

  /** The blocks read last, the latest first. */
  blocks(): number[] {
    return [...this.#blocks].reverse()
  }

  #record(offset: number, length: number): void {
    if (!(offset >= 0 && length > 0)) return
    const end = Math.min(endBlock(offset, length, this.blockSize), this.#numBlocks)
    // Of a longer read only the end would be remembered.
    for (let block = Math.max(firstBlock(offset, this.blockSize), end - RECENT_READS); block < end; block++) {
      this.#blocks.delete(block)
      this.#blocks.add(block)
    }
    for (const oldest of this.#blocks) {
      if (this.#blocks.size <= RECENT_READS) break
      this.#blocks.delete(oldest)
    }
  }
}

/** As the order behind it until the hand-over; from then on the blocks read last at the source go first, and the rest as that order says. */
export class RecentFirstOrder implements BlockOrder {
  readonly numBlocks: number
  readonly #recent: RecentReads
  readonly #next: BlockOrder
  readonly #run: BlockRun = { start: 0, count: 0, type: 'standard' }
  /** Blocks still to go first, the last one next. */
  #first: number[] = []

  constructor(recent: RecentReads, next: BlockOrder) {
    this.numBlocks = next.numBlocks
    this.#recent = recent
    this.#next = next
  }

  get available(): number {
    return this.#next.available
  }

  addAll(): void {
    this.#next.addAll()
  }

  add(block: number): void {
    this.#next.add(block)
  }

  addRun(start: number, count: number): void {
    addBlocks(this.#next, start, count)
  }

  remove(block: number): void {
    this.#next.remove(block)
  }

  has(block: number): boolean {
    return this.#next.has(block)
  }

  next(limit = 1): BlockRun | undefined {
    for (let block = this.#first.pop(); block !== undefined; block = this.#first.pop()) {
      if (!this.#next.has(block)) continue
      this.#run.start = block
      this.#run.count = this.#next.takeFrom(block, limit)
      return this.#run
    }
    return this.#next.next(limit)
  }

  takeFrom(block: number, limit: number): number {
    return this.#next.takeFrom(block, limit)
  }

  afterSwitch(): void {
    this.#first = this.#recent.blocks().reverse()
    this.#next.afterSwitch?.()
  }
}
