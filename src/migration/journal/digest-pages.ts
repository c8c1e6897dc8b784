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

/** Places of each slice: the last one known to be durable, the last one written, and one to write to. */
const PLACES = 3

/** Bytes of one place of all slices of a page. */
const PLACE_BYTES = PAGE_SLICES * SLICE_BYTES

/** Bytes of the slices of a whole page. */
export const STORED_PAGE_BYTES = PLACES * PLACE_BYTES

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
 * The digests of a disk on the place of its journal, in slices of 16 blocks that stand on their own. A write goes to a place of the slice that holds
 * neither the last one known to be durable nor the last one written, as with records: whenever it stops, the slice before or the one after is read
 * again. Of the valid ones that with the latest stamp counts.
 *
 * ```
 *   page    | slices 0 to 15, first place | second place | third place |      3 * 16 * 284 bytes
 *   slice   | stamp u64 | known 2 | unflushed 2 | digests 16 * 16 | checksum 16 |      284 bytes
 *   checksum = H( life 8 | slice number u64 | stamp | known | unflushed | digests )
 * ```
 */
export class DigestPages {
  readonly #place: StorageProvider
  readonly #hasher: BlockHasher
  /** Where slice 0 lies. */
  readonly #offset: number
  /** Of each slice, which place was written last and which is durable: `latest | durable << 2`, each counted from 1, 0 for none. */
  readonly #places: Uint8Array
  /** Runs written since the last flush. */
  #written: { readonly first: number; readonly count: number }[] = []

  constructor(
    place: StorageProvider,
    hasher: BlockHasher,
    { offset, sliceCount }: { offset: number; sliceCount: number },
  ) {
    this.#place = place
    this.#hasher = hasher
    this.#offset = offset
    this.#places = new Uint8Array(sliceCount)
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

  /** Writes neighbouring slices of one page from `first` on; they are not durable before {@link flushed}. */
  async write(first: number, bytes: Uint8Array): Promise<void> {
    const end = first + bytes.length / SLICE_BYTES
    for (let slice = first; slice < end; ) {
      const from = slice
      const place = this.#target(slice)
      while (slice < end && this.#target(slice) === place) slice++
      const run = bytes.subarray((from - first) * SLICE_BYTES, (slice - first) * SLICE_BYTES)
      await writeFully(this.#place, run, this.#at(from, place))
      // Only now: one that failed may be torn, and is written over next.
      for (let done = from; done < slice; done++) this.#places[done] = (this.#places[done]! & ~3) | (place + 1)
      this.#written.push({ first: from, count: slice - from })
    }
  }

  /** A flush of the place that began after the last write has succeeded. */
  flushed(): void {
    for (const { first, count } of this.#written.splice(0)) {
      for (let slice = first; slice < first + count; slice++) this.#places[slice] = (this.#places[slice]! & 3) * 5
    }
  }

  /**
   * Gives every valid slice of neighbouring pages to `visit`, to look at only; returns of how many something was written and nothing is valid.
   * What is read counts as durable after the next {@link flushed}.
   */
  async read(
    pages: { first: number; count: number },
    life: Uint8Array,
    visit: (slice: StoredSlice) => void,
  ): Promise<number> {
    const step = Math.max(1, Math.floor(JOURNAL_READ_BYTES / STORED_PAGE_BYTES))
    let damaged = 0
    for (let page = pages.first; page < pages.first + pages.count; page += step) {
      const count = Math.min(step, pages.first + pages.count - page)
      const bytes = new Uint8Array(count * STORED_PAGE_BYTES)
      await readFully(this.#place, bytes, this.#offset + page * STORED_PAGE_BYTES)
      const end = Math.min((page + count) * PAGE_SLICES, this.#places.length)
      for (let slice = page * PAGE_SLICES; slice < end; slice++) {
        const found = this.#latest(
          slice,
          life,
          bytes.subarray((Math.floor(slice / PAGE_SLICES) - page) * STORED_PAGE_BYTES),
        )
        if (found === 'damaged') damaged++
        else if (found) visit(found)
      }
    }
    return damaged
  }

  /** The valid slice with the latest stamp, out of the bytes of its page. */
  #latest(slice: number, life: Uint8Array, page: Uint8Array): StoredSlice | 'damaged' | undefined {
    let latest: StoredSlice | undefined
    let isWritten = false
    for (let place = 0; place < PLACES; place++) {
      const at = place * PLACE_BYTES + (slice % PAGE_SLICES) * SLICE_BYTES
      const bytes = page.subarray(at, at + SLICE_BYTES)
      if (bytes.every((byte) => byte === 0)) continue
      isWritten = true
      const found = this.#parse(slice, life, bytes)
      if (!found || (latest && latest.stamp >= found.stamp)) continue
      latest = found
      this.#places[slice] = place + 1
    }
    if (latest) this.#written.push({ first: slice, count: 1 })
    return latest ?? (isWritten ? 'damaged' : undefined)
  }

  #target(slice: number): number {
    const [latest, durable] = [this.#places[slice]! & 3, this.#places[slice]! >> 2]
    for (let place = 1; place <= PLACES; place++) if (place !== latest && place !== durable) return place - 1
    return 0
  }

  #at(slice: number, place: number): number {
    const page = Math.floor(slice / PAGE_SLICES)
    return this.#offset + page * STORED_PAGE_BYTES + place * PLACE_BYTES + (slice % PAGE_SLICES) * SLICE_BYTES
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
