import { Bitfield } from '../bitfield/bitfield.ts'
import { type BlockHasher, DIGEST_BYTES } from './block-hasher.ts'
import { FAN_OUT, HashTree } from './hash-tree.ts'
import { blockCount } from './range.ts'

/** Blocks of a page: the leaves under one node of the tree. */
export const PAGE_BLOCKS = FAN_OUT

/** Blocks of a slice, in which changes are noted: 1 MiB of the usual blocks, what travels together, so that little is stored again for it. */
export const SLICE_BLOCKS = 16

/**
 * What one side knows of a disk's blocks: a digest of each, and for which of them that digest is valid for what is stored here *now*.
 *
 * The sender notes what it sent and forgets what is written; the receiver notes what it stored and forgets what is about to be replaced.
 * A digest that was forgotten stays in `tree` until it is noted again, so that what was sent can still be compared; only `known` ones are
 * ever told, stored or counted. State for each block: three bits, and 16 bytes where the block is not zero.
 */
export class BlockDigests {
  readonly tree: HashTree
  readonly blockCount: number
  readonly pageCount: number
  readonly sliceCount: number
  /** To look at only: it is changed by {@link note} and {@link forget}. */
  readonly known: Bitfield
  readonly hasher: BlockHasher
  #unflushed: Bitfield
  #changedSlices: Bitfield
  #barred: Bitfield | undefined
  #knownBlocks = 0

  /** Nothing is known at first. */
  constructor(size: number, blockSize: number, hasher: BlockHasher) {
    this.tree = new HashTree(size, blockSize, hasher)
    this.hasher = hasher
    this.blockCount = blockCount(size, blockSize)
    this.pageCount = Math.ceil(this.blockCount / PAGE_BLOCKS)
    this.sliceCount = Math.ceil(this.blockCount / SLICE_BLOCKS)
    this.known = new Bitfield(this.blockCount)
    this.#unflushed = new Bitfield(this.blockCount)
    this.#changedSlices = new Bitfield(this.sliceCount)
  }

  /** How many digests are known; a kept count. */
  get knownBlocks(): number {
    return this.#knownBlocks
  }

  /** Notes the content of neighbouring blocks from `start` on; `bytes` is only looked at. The last block may be as short as the disk has it. */
  note(start: number, bytes: Uint8Array): void {
    this.noteDigests(start, this.hash(bytes))
  }

  /** Notes that neighbouring blocks are all zero; a terabyte of them costs a pass over its bits. */
  noteZero(start: number, count: number): void {
    this.tree.updateZero(start, count)
    this.#learn(start, count)
  }

  /** The digests of neighbouring blocks, 16 bytes each, to be noted later or compared; owned by the caller. */
  hash(bytes: Uint8Array): Uint8Array {
    return this.tree.hash(bytes)
  }

  /** Notes neighbouring blocks by their digests, 16 bytes each, which are copied. */
  noteDigests(start: number, digests: Uint8Array): void {
    this.tree.set(start, digests)
    this.#learn(start, digests.length / DIGEST_BYTES)
  }

  /** Notes that what is stored in neighbouring blocks may have changed: their digests are no longer known. */
  forget(start: number, count: number): void {
    if (count === 1) {
      if (!this.known.clear(start)) return
      this.#knownBlocks--
      this.#changedSlices.set(Math.floor(start / SLICE_BLOCKS))
      return
    }
    const forgotten = this.known.count(start, start + count)
    if (forgotten === 0) return
    this.#knownBlocks -= forgotten
    this.known.clearRange(start, start + count)
    this.#changed(start, count)
  }

  /**
   * Forgets neighbouring blocks and keeps them from being known until {@link allow}: what is noted meanwhile goes to the tree only. For blocks
   * that are being written, since whoever notes them may have read them before.
   */
  bar(start: number, count: number): void {
    this.forget(start, count)
    this.#barred ??= new Bitfield(this.blockCount)
    if (count === 1) this.#barred.set(start)
    else this.#barred.setRange(start, start + count)
  }

  /** Lets neighbouring blocks be known again, once they are noted: they are about to be read anew. */
  allow(start: number, count: number): void {
    this.#barred?.clearRange(start, start + count)
  }

  /** Visits the runs of blocks of a range that are barred. */
  forEachBarred(start: number, count: number, visit: (start: number, count: number) => void): void {
    const barred = this.#barred
    const end = start + count
    for (let from = barred?.nextSet(start, end) ?? -1; from >= 0; ) {
      const to = barred!.nextClear(from, end)
      visit(from, to - from)
      from = barred!.nextSet(to, end)
    }
  }

  isKnown(block: number): boolean {
    return this.known.test(block)
  }

  /** The digest of a block, owned by the caller; undefined where it is not known. Sixteen zero bytes are that of an all-zero block. */
  digestAt(block: number): Uint8Array | undefined {
    if (!this.known.test(block)) return undefined
    const at = (block % PAGE_BLOCKS) * DIGEST_BYTES
    return this.tree.page(Math.floor(block / PAGE_BLOCKS))?.slice(at, at + DIGEST_BYTES) ?? new Uint8Array(DIGEST_BYTES)
  }

  /** The root over the whole disk, owned by the caller; undefined unless every block is known. Hashes what changed since the last call. */
  root(): Uint8Array | undefined {
    return this.#knownBlocks === this.blockCount ? this.tree.root() : undefined
  }

  /**
   * Takes over the digests of neighbouring blocks from before, copied; it counts neither as changed nor as unflushed. The caller answers for it:
   * nothing is compared with what is stored.
   */
  restoreRun(start: number, digests: Uint8Array): void {
    const end = start + digests.length / DIGEST_BYTES
    this.tree.set(start, digests)
    this.#knownBlocks += end - start - this.known.count(start, end)
    this.known.setRange(start, end)
  }

  /** Takes over that neighbouring pages are known to be all zero, as {@link restoreRun} does. */
  restoreZero(firstPage: number, pages: number): void {
    const start = firstPage * PAGE_BLOCKS
    const end = Math.min(start + pages * PAGE_BLOCKS, this.blockCount)
    this.tree.updateZero(start, end - start)
    this.#knownBlocks += end - start - this.known.count(start, end)
    this.known.setRange(start, end)
  }

  /** Whether every block of a page is known and all zero. */
  isKnownZero(page: number): boolean {
    const { start, end } = this.#range(page)
    return this.known.nextClear(start, end) === end && this.tree.isZero(start, end - start)
  }

  /** The page before which all, from `page` on, are known to be zero; at most `end`. It may stop early, at a page that was not zero once. */
  knownZeroEnd(page: number, end: number): number {
    // Asked first: of a page with content, no look along all that is known behind it.
    if (this.tree.page(page)) return page
    const stop = Math.min(end * PAGE_BLOCKS, this.blockCount)
    const knownEnd = this.known.nextClear(page * PAGE_BLOCKS, stop)
    return this.tree.nextPage(page, knownEnd === stop ? end : Math.floor(knownEnd / PAGE_BLOCKS))
  }

  /** Slices of which something was noted or forgotten since they were last taken. The caller owns the field. */
  takeChangedSlices(): Bitfield {
    const taken = this.#changedSlices
    this.#changedSlices = new Bitfield(this.sliceCount)
    return taken
  }

  /** Counts slices as changed again: what should have been done with them failed. */
  changedAgain(slices: Bitfield): void {
    this.#changedSlices.or(slices)
  }

  /** Blocks noted since the last {@link takeUnflushed}: to look at only. */
  get unflushed(): Bitfield {
    return this.#unflushed
  }

  /** Takes the blocks noted so far, just before the disk is flushed; blocks noted from now on are not covered by that flush. The caller owns the field. */
  takeUnflushed(): Bitfield {
    const taken = this.#unflushed
    this.#unflushed = new Bitfield(this.blockCount)
    return taken
  }

  /** Counts blocks as unflushed again: the flush failed, or was that of an earlier life. */
  unflushedAgain(blocks: Bitfield): void {
    this.#unflushed.or(blocks)
  }

  /** Gives the memory back; after that nothing else may be called. */
  free(): void {
    this.known.free()
    this.#unflushed.free()
    this.#changedSlices.free()
    this.#barred?.free()
  }

  #learn(start: number, count: number): void {
    if (count === 1) {
      if (this.#barred?.test(start)) return
      if (this.known.set(start)) this.#knownBlocks++
      this.#unflushed.set(start)
      this.#changedSlices.set(Math.floor(start / SLICE_BLOCKS))
      return
    }
    const end = start + count
    for (let from = start; from < end; ) {
      const barred = this.#barred?.nextSet(from, end) ?? -1
      const to = barred < 0 ? end : barred
      this.#learnRange(from, to)
      from = to < end ? this.#barred!.nextClear(to, end) : end
    }
  }

  #learnRange(start: number, end: number): void {
    if (start === end) return
    this.#knownBlocks += end - start - this.known.count(start, end)
    this.known.setRange(start, end)
    this.#unflushed.setRange(start, end)
    this.#changed(start, end - start)
  }

  #changed(start: number, count: number): void {
    this.#changedSlices.setRange(Math.floor(start / SLICE_BLOCKS), Math.floor((start + count - 1) / SLICE_BLOCKS) + 1)
  }

  #range(page: number): { start: number; end: number } {
    const start = page * PAGE_BLOCKS
    return { start, end: Math.min(start + PAGE_BLOCKS, this.blockCount) }
  }
}
