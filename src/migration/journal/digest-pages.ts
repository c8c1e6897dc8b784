import { type BlockDigests, PAGE_BLOCKS, SLICE_BLOCKS } from '../../storage/block-digests.ts'
import { type BlockHasher, DIGEST_BYTES } from '../../storage/block-hasher.ts'
import { pageLeaves } from '../../storage/page-claims.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import { readFully } from '../../storage/sequential-reader.ts'
import { JOURNAL_READ_BYTES } from '../limits.ts'
import { LIFE_BYTES } from './journal-record.ts'
import { writeFully } from './record-slots.ts'

/** Slices of a page. */
export const PAGE_SLICES = PAGE_BLOCKS / SLICE_BLOCKS

const BITS_BYTES = SLICE_BLOCKS / 8
const SLICE_DIGEST_BYTES = SLICE_BLOCKS * DIGEST_BYTES
const BODY_BYTES = 8 + 2 * BITS_BYTES + SLICE_DIGEST_BYTES

/** Bytes of a stored slice. */
export const SLICE_BYTES = BODY_BYTES + DIGEST_BYTES

/** Bytes of the slices of a whole page. */
export const STORED_PAGE_BYTES = PAGE_SLICES * SLICE_BYTES

/** A slice as it was stored. */
export interface StoredSlice {
  readonly slice: number
  readonly stamp: number
  /** Bits of the slice's blocks that were known, and of those among them that no flush of the disk had covered. Views. */
  readonly known: Uint8Array
  readonly unflushed: Uint8Array
  readonly digests: Uint8Array
}

/**
 * The digests of a disk on the place of its journal, in slices of 16 blocks that stand on their own: a torn one is one of which nothing is known.
 *
 * ```
 *   slice   | stamp u64 | known 2 | unflushed 2 | digests 16 * 16 | checksum 16 |      284 bytes, 16 for each page
 *   checksum = H( life 8 | slice number u64 | stamp | known | unflushed | digests )
 * ```
 */
export class DigestPages {
  readonly #place: StorageProvider
  readonly #hasher: BlockHasher
  /** Where slice 0 lies. */
  readonly #offset: number

  constructor(place: StorageProvider, hasher: BlockHasher, offset: number) {
    this.#place = place
    this.#hasher = hasher
    this.#offset = offset
  }

  /**
   * What `digests` knows of neighbouring slices of one page, ready to be written. A slice for which `isTold` is false is written as one of which
   * nothing is known. `unflushed` holds the bits of the page that no flush covers.
   */
  encode(
    digests: BlockDigests,
    {
      slices,
      life,
      stamp,
      unflushed,
      isTold,
    }: {
      slices: { first: number; count: number }
      life: Uint8Array
      stamp: number
      unflushed: Uint8Array
      isTold: (slice: number) => boolean
    },
  ): Uint8Array {
    const page = Math.floor(slices.first / PAGE_SLICES)
    const leaves = pageLeaves(digests, page)
    const bytes = new Uint8Array(slices.count * SLICE_BYTES)
    const view = new DataView(bytes.buffer)
    for (let slice = slices.first, at = 0; slice < slices.first + slices.count; slice++, at += SLICE_BYTES) {
      view.setBigUint64(at, BigInt(stamp), true)
      if (isTold(slice)) {
        const bits = (slice % PAGE_SLICES) * BITS_BYTES
        bytes.set(leaves.known.subarray(bits, bits + BITS_BYTES), at + 8)
        bytes.set(unflushed.subarray(bits, bits + BITS_BYTES), at + 8 + BITS_BYTES)
        const from = (slice % PAGE_SLICES) * SLICE_DIGEST_BYTES
        bytes.set(leaves.digests.subarray(from, from + SLICE_DIGEST_BYTES), at + 8 + 2 * BITS_BYTES)
      }
      bytes.set(this.#checksum(life, slice, bytes.subarray(at, at + BODY_BYTES)), at + BODY_BYTES)
    }
    return bytes
  }

  /** Writes neighbouring slices from `first` on. */
  async write(first: number, bytes: Uint8Array): Promise<void> {
    await writeFully(this.#place, bytes, this.#offset + first * SLICE_BYTES)
  }

  /** Gives every valid slice of neighbouring pages to `visit`, to look at only; returns how many were written and are not valid. */
  async read(
    pages: { first: number; count: number },
    sliceCount: number,
    life: Uint8Array,
    visit: (slice: StoredSlice) => void,
  ): Promise<number> {
    const end = Math.min((pages.first + pages.count) * PAGE_SLICES, sliceCount)
    const step = Math.floor(JOURNAL_READ_BYTES / SLICE_BYTES)
    let damaged = 0
    for (let first = pages.first * PAGE_SLICES; first < end; first += step) {
      const count = Math.min(step, end - first)
      const bytes = new Uint8Array(count * SLICE_BYTES)
      await readFully(this.#place, bytes, this.#offset + first * SLICE_BYTES)
      for (let index = 0; index < count; index++) {
        const found = this.#parse(first + index, life, bytes.subarray(index * SLICE_BYTES, (index + 1) * SLICE_BYTES))
        if (found) visit(found)
        else if (bytes.subarray(index * SLICE_BYTES, (index + 1) * SLICE_BYTES).some((byte) => byte !== 0)) damaged++
      }
    }
    return damaged
  }

  #parse(slice: number, life: Uint8Array, bytes: Uint8Array): StoredSlice | undefined {
    const checksum = this.#checksum(life, slice, bytes.subarray(0, BODY_BYTES))
    if (!checksum.every((byte, index) => byte === bytes[BODY_BYTES + index])) return undefined
    const stamp = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
    const at = 8 + 2 * BITS_BYTES
    return {
      slice,
      stamp,
      known: bytes.subarray(8, 8 + BITS_BYTES),
      unflushed: bytes.subarray(8 + BITS_BYTES, at),
      digests: bytes.subarray(at, at + SLICE_DIGEST_BYTES),
    }
  }

  #checksum(life: Uint8Array, slice: number, body: Uint8Array): Uint8Array {
    const all = new Uint8Array(LIFE_BYTES + 8 + BODY_BYTES)
    all.set(life)
    new DataView(all.buffer).setBigUint64(LIFE_BYTES, BigInt(slice), true)
    all.set(body, LIFE_BYTES + 8)
    return this.#hasher.hash(all)
  }
}

/** Puts some of a slice's blocks back among the digests: those whose bit is set in `bits`. */
export function restoreSlice(digests: BlockDigests, { slice, digests: stored }: StoredSlice, bits: Uint8Array): void {
  const start = slice * SLICE_BLOCKS
  const count = Math.min(SLICE_BLOCKS, digests.blockCount - start)
  const isSet = (bit: number) => (bits[bit >> 3]! & (1 << (bit & 7))) !== 0
  for (let from = 0; from < count; from++) {
    let to = from
    while (to < count && isSet(to)) to++
    if (to === from) continue
    digests.restoreRun(start + from, stored.subarray(from * DIGEST_BYTES, to * DIGEST_BYTES))
    from = to
  }
}
