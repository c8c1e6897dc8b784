import { Bitfield } from '../../bitfield/bitfield.ts'
import { type BlockDigests, PAGE_BLOCKS, SLICE_BLOCKS } from '../../storage/block-digests.ts'
import { PAGE_SLICES, restoreSlice, type StoredSlice } from './digest-pages.ts'
import type { JournalRecord } from './journal-record.ts'
import { PAGE_KIND, type PageKind } from './page-map.ts'
import type { SliceWriter } from './slice-writer.ts'

/** What was found when a journal was opened. */
export interface JournalLoad {
  /** Nothing whole had been written. */
  readonly isNew: boolean
  /** Only processes can have ended since it was written. */
  readonly isSameBoot: boolean
  /** Slices that should have been there and are not whole: what they knew is unknown. */
  readonly damagedSlices: number
}

/** What of a journal counts: all, after a kill; what was flushed, after a power loss; nothing, where that cannot be told. */
export type Trust = 'all' | 'flushed' | 'none'

/** Where digests of a journal go. */
interface LoadTarget {
  readonly digests: BlockDigests
  readonly slices: SliceWriter
  readonly unproven: Bitfield
}

/**
 * Puts the digests of a journal back as far as they are trusted, and notes the others in `unproven`. What is not trusted is left to be written
 * anew: its slices count as changed, its pages of zeroes as void. Returns how many slices were damaged.
 */
export async function loadDigests(record: JournalRecord, trust: Trust, target: LoadTarget): Promise<number> {
  const { digests, slices } = target
  const stored: { first: number; count: number }[] = []
  const zeroes: { first: number; count: number; kind: PageKind }[] = []
  const unread: { first: number; count: number }[] = []
  record.pages.forEachRun((first, count, kind) => {
    if (kind === PAGE_KIND.stored) stored.push({ first, count })
    else if (kind === PAGE_KIND.zero || kind === PAGE_KIND.zeroUnflushed) zeroes.push({ first, count, kind })
    else unread.push({ first, count })
  })
  const unflushed = new Bitfield(digests.blockCount)
  const untrusted = new Bitfield(digests.sliceCount)
  try {
    for (const { first, count, kind } of zeroes) {
      const start = first * PAGE_BLOCKS
      const end = Math.min(start + count * PAGE_BLOCKS, digests.blockCount)
      if (trust === 'all' || (trust === 'flushed' && kind === PAGE_KIND.zero)) {
        digests.restoreZero(first, count)
        slices.told.setRange(first * PAGE_SLICES, Math.min((first + count) * PAGE_SLICES, digests.sliceCount))
        if (kind === PAGE_KIND.zeroUnflushed) unflushed.setRange(start, end)
      } else {
        target.unproven.setRange(start, end)
        slices.map.setRun(first, count, PAGE_KIND.void)
        slices.mapChanged = true
      }
    }
    // Slices may have been stored all the same, and the record that says so lost.
    for (const { first, count } of unread) slices.map.setRun(first, count, PAGE_KIND.void)
    let damaged = 0
    for (const run of stored) {
      damaged += await slices.pages.read(run, record.life, (found) => {
        slices.stamp = Math.max(slices.stamp, found.stamp)
        restore(found, { trust, flushed: record.flushed, unflushed, untrusted }, target)
      })
    }
    digests.unflushedAgain(unflushed)
    digests.changedAgain(untrusted)
    return damaged
  } finally {
    unflushed.free()
    untrusted.free()
  }
}

function restore(
  found: StoredSlice,
  { trust, flushed, unflushed, untrusted }: { trust: Trust; flushed: number; unflushed: Bitfield; untrusted: Bitfield },
  { digests, slices, unproven }: LoadTarget,
): void {
  const { slice, known, stamp } = found
  if (known.every((byte) => byte === 0)) return
  slices.told.set(slice)
  const isFlushed = stamp <= flushed
  const trusted = known.map((byte, index) => {
    if (trust === 'all') return byte
    return trust === 'none' ? 0 : byte & ~(isFlushed ? 0 : found.unflushed[index]!)
  })
  restoreSlice(digests, found, trusted)
  if (trust !== 'all') {
    if (trusted.some((byte, index) => byte !== known[index])) untrusted.set(slice)
    setBits(unproven, slice, known, (byte, index) => byte & ~trusted[index]!)
  } else if (!isFlushed) setBits(unflushed, slice, known, (byte, index) => byte & found.unflushed[index]!)
}

/** Sets the bits of a slice's blocks in a field that has one for each block. */
function setBits(
  field: Bitfield,
  slice: number,
  known: Uint8Array,
  pick: (byte: number, index: number) => number,
): void {
  const start = slice * SLICE_BLOCKS
  for (const [index, byte] of known.entries()) {
    const bits = pick(byte, index)
    for (let bit = 0; bit < 8; bit++) {
      const block = start + index * 8 + bit
      if ((bits & (1 << bit)) !== 0 && block < field.length) field.set(block)
    }
  }
}
