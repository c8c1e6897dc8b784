import { Bitfield } from '../bitfield/bitfield.ts'
import { StorageError } from '../errors/storage-error.ts'
import { blockCount } from '../storage/range.ts'

/**
 * The blocks of one call.
 *
 * ```
 *   start      wholeStart        wholeEnd     end
 *     ├─ edge ──┼── written whole ──┼── edge ──┤      edges must be here before the call can go on
 * ```
 * A read has no whole part: it needs all of its blocks.
 */
export interface BlockSpan {
  /** First block the call touches. */
  readonly start: number
  /** The one after the last. */
  readonly end: number
  /** Blocks from here ... */
  readonly wholeStart: number
  /** ... to before here are covered to their last byte. Never below `wholeStart`. */
  readonly wholeEnd: number
  /** Bytes of the call inside the disk. */
  readonly length: number
}

/** What a waiting cache knows of each block: three bits. Once closed, nothing is missing and nothing changes any more. */
export class WaitingCacheBlocks {
  readonly size: number
  readonly blockSize: number
  readonly numBlocks: number
  /** What is stored is the right content. */
  readonly #present: Bitfield
  /** Written here: nothing that arrives replaces it. Always a part of the present ones. */
  readonly #own: Bitfield
  /** There is no reason to ask for the block: it is present, was asked for, or is being stored. Always contains the present ones. */
  readonly #expected: Bitfield
  #missing: number
  #closed = false

  constructor(size: number, blockSize: number, start: { present?: Bitfield; own?: Bitfield } = {}) {
    this.size = size
    this.blockSize = blockSize
    this.numBlocks = blockCount(size, blockSize)
    this.#present = new Bitfield(this.numBlocks)
    this.#own = new Bitfield(this.numBlocks)
    this.#expected = new Bitfield(this.numBlocks)
    if (start.present) this.#present.or(start.present)
    if (start.own) this.#own.or(start.own)
    this.#present.or(this.#own)
    this.#expected.or(this.#present)
    this.#missing = this.numBlocks - this.#present.count()
  }

  get missingBlocks(): number {
    return this.#missing
  }

  get closed(): boolean {
    return this.#closed
  }

  isPresent(block: number): boolean {
    return this.#open.#present.test(block)
  }

  /** Whether all blocks of a call were written here before; nothing changes when they are written again. */
  owns({ start, end }: BlockSpan): boolean {
    if (this.#closed) return true
    return end === start + 1 ? this.#own.test(start) : this.#own.nextClear(start, end) === end
  }

  /** Copies for the caller, who frees them. */
  presentBlocks(): Bitfield {
    return this.#open.#present.clone()
  }

  ownBlocks(): Bitfield {
    return this.#open.#own.clone()
  }

  /** Whether a read can go at once. Also true for one that the storage refuses, and refuses it better than we could. */
  has(offset: number, length: number): boolean {
    if (this.#missing === 0 || this.#closed || !(offset >= 0 && offset < this.size && length > 0)) return true
    const first = this.#block(offset)
    const last = this.#block(Math.min(offset + length, this.size) - 1)
    return first === last ? this.#present.test(first) : this.#present.nextClear(first, last + 1) > last
  }

  /** The blocks of a read; undefined for an empty one, one that the storage refuses, and once closed. */
  ofRead(offset: number, length: number): BlockSpan | undefined {
    if (!this.#isInside(offset, length)) return undefined
    const stop = Math.min(offset + length, this.size)
    const end = this.#block(stop - 1) + 1
    return { start: this.#block(offset), end, wholeStart: end, wholeEnd: end, length: stop - offset }
  }

  /** The blocks of a write; undefined as for reads. The short last block counts as whole when all of its bytes are covered. */
  ofWrite(offset: number, length: number): BlockSpan | undefined {
    if (!this.#isInside(offset, length)) return undefined
    const stop = Math.min(offset + length, this.size)
    const end = this.#block(stop - 1) + 1
    const start = this.#block(offset)
    let wholeStart = start * this.blockSize === offset ? start : start + 1
    let wholeEnd = stop === this.size ? end : this.#block(stop)
    if (wholeStart >= wholeEnd) {
      wholeStart = end
      wholeEnd = end
    }
    // Every write passes here, and copying another object costs ten times this.
    return { start, end, wholeStart, wholeEnd, length: stop - offset }
  }

  /** The first block from `from` on that the call needs and that is not here; -1 when it can go. */
  firstMissing(span: BlockSpan, from = span.start): number {
    if (this.#missing === 0 || this.#closed) return -1
    if (from < span.wholeStart) {
      const block = this.#present.nextClear(from, span.wholeStart)
      if (block < span.wholeStart) return block
    }
    const behind = Math.max(from, span.wholeEnd)
    if (behind >= span.end) return -1
    const block = this.#present.nextClear(behind, span.end)
    return block < span.end ? block : -1
  }

  /** Visits the runs of blocks that the call needs and nobody expects; from then on they are expected. */
  takeUnexpected(span: BlockSpan, visit: (start: number, end: number) => void): void {
    if (this.#missing === 0 || this.#closed) return
    this.#takeRuns(span.start, span.wholeStart, visit)
    this.#takeRuns(span.wholeEnd, span.end, visit)
  }

  #takeRuns(start: number, end: number, visit: (start: number, end: number) => void): void {
    // The visitor may close the disk.
    for (let from = start; from < end && !this.#closed; ) {
      const first = this.#expected.nextClear(from, end)
      if (first === end) return
      from = first + 1
      while (from < end && !this.#expected.test(from)) from++
      this.#expected.setRange(first, from)
      visit(first, from)
    }
  }

  /** Blocks that are being stored now: no reason to ask for them. */
  expect(start: number, end: number): void {
    if (!this.#closed && start < end) this.#expected.setRange(start, end)
  }

  /** They did not come after all. */
  unexpect(start: number, end: number): void {
    if (this.#closed) return
    for (let block = start; block < end; block++) if (!this.#present.test(block)) this.#expected.clear(block)
  }

  /** Nothing that was asked for is expected any more: whoever was asked is gone. */
  unexpectAll(): void {
    if (!this.#closed) this.#expected.copyFrom(this.#present)
  }

  /** The content has arrived. */
  arrive(start: number, end: number): void {
    if (this.#closed || start >= end) return
    this.#missing -= end - start - this.#present.count(start, end)
    this.#present.setRange(start, end)
    this.#expected.setRange(start, end)
  }

  /** The content was written here; visits the runs that were not our own before. */
  own(start: number, end: number, visit: (start: number, end: number) => void): void {
    this.arrive(start, end)
    if (this.#closed) return
    let run = start
    for (let block = start; block < end; block++) {
      if (this.#own.set(block)) continue
      if (run < block) visit(run, block)
      run = block + 1
    }
    if (run < end) visit(run, end)
  }

  /** A failed write has left who knows what in these blocks, none of them our own. */
  tear(start: number, end: number): void {
    if (this.#closed) return
    this.#missing += this.#present.count(start, end)
    this.#present.clearRange(start, end)
    this.#expected.clearRange(start, end)
  }

  /** The content of these blocks is out of date, unless it is our own. `blocks` is only read. */
  invalidate(blocks: Bitfield): void {
    if (this.#closed) return
    const gone = blocks.clone()
    try {
      gone.andNot(this.#own)
      this.#present.andNot(gone)
      this.#expected.andNot(gone)
      this.#missing = this.numBlocks - this.#present.count()
    } finally {
      gone.free()
    }
  }

  /** The next run of blocks in `[from, end)` that are not our own, as `[start, end)`; undefined when there is none. */
  nextForeign(from: number, end: number): readonly [number, number] | undefined {
    if (this.#closed) return from < end ? [from, end] : undefined
    const start = this.#own.nextClear(from, end)
    if (start >= end) return undefined
    const stop = this.#own.nextSet(start, end)
    return [start, stop < 0 ? end : stop]
  }

  /** From now on nothing is missing: what is asked of the storage below, it refuses itself. */
  close(): void {
    this.#closed = true
  }

  /** Gives the memory back; after {@link close} only. */
  free(): void {
    for (const field of [this.#present, this.#own, this.#expected]) field.free()
  }

  get #open(): this {
    if (this.#closed) throw new StorageError('CLOSED')
    return this
  }

  #isInside(offset: number, length: number): boolean {
    if (this.#closed || !Number.isSafeInteger(offset) || !Number.isSafeInteger(length)) return false
    return offset >= 0 && offset < this.size && length > 0
  }

  /** Block numbers are below 2^32 and the block size is a power of two, so this is exact. */
  #block(offset: number): number {
    return (offset / this.blockSize) >>> 0
  }
}
