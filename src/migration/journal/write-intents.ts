import type { Extent } from '../../storage/provider.ts'
import type { Journal } from './journal.ts'

/** What a dirty tracker calls around each access; its shape is the tracker's, which may not be imported here. */
export interface WriteIntents {
  /** Before anything of a write reaches the disk; the write waits for the promise, and fails with it. */
  beforeWrite(offset: number, length: number): Promise<void> | undefined
  /** After a write ended, however it ended; once for each `beforeWrite`. */
  afterWrite(offset: number, length: number): void
  /** Before blocks are read to be sent, by one reader at a time. */
  beforeRead(offset: number, length: number): void
  /**
   * Parts of a range that must be read to be known again. Asking for holes does not do: it looks further than what is sent, so a block in a hole
   * may still be under way with what it held before.
   */
  mustRead(offset: number, length: number): readonly Extent[]
}

/** Bytes of the disk from `start` to `end` that are being written. */
interface WriteUnderWay {
  readonly start: number
  readonly end: number
}

/**
 * Keeps the digests of a disk that is written while it moves: a digest counts only while no write began on its block.
 *
 * The first write into a slice of 16 blocks of which the journal's place says something strikes that slice out there and waits until that is written;
 * writes that come together wait together. Further ones cost nothing until the whole slice is known and told again. In memory only the blocks of the
 * write are forgotten, and they stay unknown, whoever notes them, until they are read again when no write is under way on them: what was
 * read before a write must not be noted after it.
 */
export function createWriteIntents(journal: Pick<Journal, 'digests' | 'strike'>): WriteIntents {
  const { digests, strike } = { digests: journal.digests, strike: journal.strike.bind(journal) }
  const { blockSize } = digests.tree
  const { blockCount } = digests
  const underWay = new Set<WriteUnderWay>()

  /** The blocks a byte range touches, cut at the end of the disk; none for a range that the storage will refuse. */
  const blocks = (offset: number, length: number): { start: number; count: number } => {
    if (!(offset >= 0 && length > 0) || offset >= digests.tree.size) return { start: 0, count: 0 }
    const start = Math.floor(offset / blockSize)
    return { start, count: Math.min(Math.ceil((offset + length) / blockSize), blockCount) - start }
  }

  return {
    beforeWrite(offset, length) {
      const { start, count } = blocks(offset, length)
      if (count === 0) return undefined
      underWay.add({ start, end: start + count })
      digests.bar(start, count)
      return strike(start, count)
    },
    afterWrite(offset, length) {
      const { start, count } = blocks(offset, length)
      for (const write of underWay) {
        if (write.start !== start || write.end !== start + count) continue
        underWay.delete(write)
        return
      }
    },
    beforeRead(offset, length) {
      const { start, count } = blocks(offset, length)
      if (count === 0) return
      digests.allow(start, count)
      for (const write of underWay) {
        const from = Math.max(write.start, start)
        const to = Math.min(write.end, start + count)
        if (from < to) digests.bar(from, to - from)
      }
    },
    mustRead(offset, length) {
      const { start, count } = blocks(offset, length)
      const extents: Extent[] = []
      if (count === 0) return extents
      const end = Math.min(offset + length, digests.tree.size)
      digests.forEachBarred(start, count, (first, run) => {
        const from = Math.max(first * blockSize, offset)
        extents.push({ offset: from, length: Math.min((first + run) * blockSize, end) - from })
      })
      return extents
    },
  }
}
