import { checkBlockSize } from '../errors/invalid-argument-error.ts'
import { type BlockHasher, DIGEST_BYTES } from './block-hasher.ts'
import { blockCount, checkSize } from './range.ts'

/** Children of an inner node: a leaf that changes costs 4 KiB of hashing for each level. */
export const FAN_OUT = 256
const PAGE_BYTES = FAN_OUT * DIGEST_BYTES

/**
 * A tree of hashes over the blocks of a disk, kept up to date block by block.
 *
 * ```
 *   root  = H( "blockferry" | size u64 | blockSize u32 | top )
 *   node  = H( 256 child digests of 16 bytes, missing ones zero )
 *   leaf  = H( block bytes, the last block as short as it is )
 * ```
 * A digest of sixteen zero bytes stands for an all-zero block (and for a node with only such children), so an empty disk takes no memory
 * and no hashing. Pages of 256 digests exist once one of them is not zero: 16 bytes for each block with content.
 */
export class HashTree {
  readonly size: number
  readonly blockSize: number
  readonly #hasher: BlockHasher
  /** Levels from the leaves up; each maps a page number to the digests of 256 siblings. */
  readonly #levels: Map<number, Uint8Array>[] = []
  /** 1 for each page of leaves that exists: whoever walks along the disk passes zeroes at memory speed. */
  readonly #exists: Uint8Array
  /** For each level the pages that changed since their parent was last computed. */
  readonly #changed: Set<number>[] = []

  constructor(size: number, blockSize: number, hasher: BlockHasher) {
    this.size = checkSize(size)
    this.blockSize = checkBlockSize('blockSize', blockSize)
    this.#hasher = hasher
    for (let pages = blockCount(size, blockSize), more = true; more; more = pages > 1) {
      pages = Math.ceil(pages / FAN_OUT)
      this.#levels.push(new Map())
      this.#changed.push(new Set())
    }
    this.#exists = new Uint8Array(Math.ceil(blockCount(size, blockSize) / FAN_OUT))
  }

  /** Notes the content of neighbouring blocks from `block` on; `bytes` is only looked at. */
  update(block: number, bytes: Uint8Array): void {
    this.set(block, this.hash(bytes))
  }

  /** The digests of neighbouring blocks, 16 bytes each, owned by the caller; nothing is noted. */
  hash(bytes: Uint8Array): Uint8Array {
    const digests = new Uint8Array(Math.ceil(bytes.length / this.blockSize) * DIGEST_BYTES)
    for (let from = 0, at = 0; from < bytes.length; from += this.blockSize, at += DIGEST_BYTES) {
      digests.set(this.#leaf(bytes.subarray(from, from + this.blockSize)), at)
    }
    return digests
  }

  /** Notes that neighbouring blocks are all zero. */
  updateZero(block: number, count: number): void {
    const stop = block + count
    const last = Math.ceil(stop / FAN_OUT)
    for (
      let page = this.nextPage(Math.floor(block / FAN_OUT), last);
      page < last;
      page = this.nextPage(page + 1, last)
    ) {
      const end = Math.min((page + 1) * FAN_OUT, stop)
      for (let number = Math.max(page * FAN_OUT, block); number < end; number++) this.#store(0, number, ZERO_DIGEST)
    }
  }

  /** Notes neighbouring blocks by their digests, which are copied: for what was hashed before. */
  set(block: number, digests: Uint8Array): void {
    for (
      let from = 0, at = (block % FAN_OUT) * DIGEST_BYTES, page = Math.floor(block / FAN_OUT);
      from < digests.length;
    ) {
      const part = digests.subarray(from, from + PAGE_BYTES - at)
      if (this.#levels[0]!.has(page) || !isZero(part)) this.#put(0, page, { at, part })
      from += part.length
      at = 0
      page++
    }
  }

  /** The digests of blocks `page * FAN_OUT` on, to look at before the next change; undefined when all of them are zero. */
  page(page: number): Uint8Array | undefined {
    return this.#levels[0]!.get(page)
  }

  /** The first page from `from` on, and before `end`, in which something is or was not zero; `end` for none. */
  nextPage(from: number, end: number): number {
    if (from >= end || this.#exists[from] === 1) return Math.min(from, end)
    // Within these pages only: behind them there may be a terabyte of nothing.
    const found = from + 1 < end ? this.#exists.subarray(from, end).indexOf(1) : -1
    return found < 0 ? end : from + found
  }

  /** Whether `bytes`, the content of neighbouring blocks from `block` on, is what was noted; returns the first block that differs, or -1. */
  firstMismatch(block: number, bytes: Uint8Array): number {
    for (let from = 0, number = block; from < bytes.length; from += this.blockSize, number++) {
      const page = this.#levels[0]!.get(Math.floor(number / FAN_OUT))
      const at = (number % FAN_OUT) * DIGEST_BYTES
      const leaf = this.#leaf(bytes.subarray(from, from + this.blockSize))
      for (let index = 0; index < DIGEST_BYTES; index++) {
        if ((page ? page[at + index] : 0) !== leaf[index]) return number
      }
    }
    return -1
  }

  /** Whether neighbouring blocks are all noted as zero. */
  isZero(block: number, count: number): boolean {
    const stop = block + count
    const last = Math.ceil(stop / FAN_OUT)
    for (
      let page = this.nextPage(Math.floor(block / FAN_OUT), last);
      page < last;
      page = this.nextPage(page + 1, last)
    ) {
      const first = page * FAN_OUT
      const [from, to] = [Math.max(block - first, 0), Math.min(stop - first, FAN_OUT)]
      if (!isZero(this.#levels[0]!.get(page)!.subarray(from * DIGEST_BYTES, to * DIGEST_BYTES))) return false
    }
    return true
  }

  /** The root over all blocks; hashes only what changed since the last call. The caller owns the digest. */
  root(): Uint8Array {
    for (let level = 0; level + 1 < this.#levels.length; level++) {
      for (const page of this.#changed[level]!) this.#store(level + 1, page, this.#node(this.#levels[level]!.get(page)))
      this.#changed[level]!.clear()
    }
    const top = this.#node(this.#levels.at(-1)!.get(0))
    const header = new Uint8Array(10 + 8 + 4 + DIGEST_BYTES)
    header.set(new TextEncoder().encode('blockferry'))
    const view = new DataView(header.buffer)
    view.setBigUint64(10, BigInt(this.size), true)
    view.setUint32(18, this.blockSize, true)
    header.set(top, 22)
    return this.#hasher.hash(header)
  }

  #leaf(bytes: Uint8Array): Uint8Array {
    // The first word tells most blocks with content apart from zeroes, and costs nothing.
    return bytes[0] === 0 && isZero(bytes) ? ZERO_DIGEST : this.#hasher.hash(bytes)
  }

  #node(page: Uint8Array | undefined): Uint8Array {
    return page && !isZero(page) ? this.#hasher.hash(page) : ZERO_DIGEST
  }

  #store(level: number, index: number, digest: Uint8Array): void {
    const page = Math.floor(index / FAN_OUT)
    if (digest === ZERO_DIGEST && !this.#levels[level]!.has(page)) return
    this.#put(level, page, { at: (index % FAN_OUT) * DIGEST_BYTES, part: digest })
  }

  #put(level: number, number: number, { at, part }: { at: number; part: Uint8Array }): void {
    let page = this.#levels[level]!.get(number)
    if (!page) {
      page = new Uint8Array(PAGE_BYTES)
      this.#levels[level]!.set(number, page)
      if (level === 0) this.#exists[number] = 1
    }
    page.set(part, at)
    this.#changed[level]!.add(number)
  }
}

const ZERO_DIGEST = new Uint8Array(DIGEST_BYTES)

/** The TypeScript twin of the kernel: hash input may lie in any memory, and copying it into the kernels' costs more than looking. */
function isZero(bytes: Uint8Array): boolean {
  let at = 0
  while (at < bytes.length && (bytes.byteOffset + at) % 4 !== 0) if (bytes[at++] !== 0) return false
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, (bytes.length - at) >> 2)
  for (let index = 0; index < words.length; index++) if (words[index] !== 0) return false
  for (at += words.length * 4; at < bytes.length; at++) if (bytes[at] !== 0) return false
  return true
}

/** A digest as people compare it: 32 hexadecimal characters. */
export function digestText(digest: Uint8Array): string {
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
