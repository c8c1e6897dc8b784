import { Bitfield } from '../bitfield/bitfield.ts'
import { StorageError } from '../errors/storage-error.ts'
import { LEAF_PAGES } from '../protocol/limits.ts'
import { LEAVES_BYTES } from '../protocol/packets/read-digests.ts'
import { type BlockDigests, PAGE_BLOCKS } from '../storage/block-digests.ts'
import { DIGEST_BYTES } from '../storage/block-hasher.ts'
import { digestText } from '../storage/hash-tree.ts'
import { PAGE_BITS_BYTES } from '../storage/page-claims.ts'

/** Stands in a journal for a block that was written here before its content at the hand-over arrived: it is here, and its digest is the source's to tell. */
export const WRITTEN_HERE: Uint8Array = new Uint8Array(DIGEST_BYTES).fill(0xff)

/** Asks the source what it knows of pages that follow one another, in the form of `leaves`. */
export type AskLeaves = (first: number, count: number) => Promise<Uint8Array>

/**
 * Compares the root as of the hand-over with that of the source: digests of what arrived, and of blocks that were written here before they could
 * arrive, which are none of the source's business any more, the source's own.
 * @throws StorageError `VERIFY_FAILED`
 */
export async function settleRest(digests: BlockDigests, theirs: Uint8Array, ask: AskLeaves): Promise<void> {
  const pages = writtenPages(digests)
  try {
    for (let page = pages.nextSet(0); page >= 0; page = pages.nextSet(page)) {
      const end = Math.min(pages.nextClear(page, pages.length), page + LEAF_PAGES)
      const leaves = await ask(page, end - page)
      for (let from = 0; page < end; page++, from += LEAVES_BYTES)
        take(digests, page, leaves.subarray(from + PAGE_BITS_BYTES))
      if (page >= pages.length) break
    }
  } finally {
    pages.free()
  }
  const root = digests.root()
  if (root && digestText(root) === digestText(theirs)) return
  throw new StorageError('VERIFY_FAILED', 'What has arrived since the hand-over is not what the source had.')
}

function take(digests: BlockDigests, page: number, leaves: Uint8Array): void {
  const end = Math.min((page + 1) * PAGE_BLOCKS, digests.blockCount)
  for (let block = page * PAGE_BLOCKS, at = 0; block < end; block++, at += DIGEST_BYTES) {
    if (!isWrittenHere(digests, block)) continue
    const theirs = leaves.subarray(at, at + DIGEST_BYTES)
    // Noted anew it would count as not flushed, and be fetched again after a power loss. What a journal has stored stays WRITTEN_HERE, to be asked for again.
    if (digests.isKnown(block)) digests.tree.set(block, theirs)
    else digests.noteDigests(block, theirs)
  }
}

function writtenPages(digests: BlockDigests): Bitfield {
  const pages = new Bitfield(digests.pageCount)
  for (let block = 0; block < digests.blockCount; block++) {
    if (isWrittenHere(digests, block)) pages.set(Math.floor(block / PAGE_BLOCKS))
  }
  return pages
}

function isWrittenHere(digests: BlockDigests, block: number): boolean {
  const digest = digests.digestAt(block)
  return digest === undefined || digest.every((byte, index) => byte === WRITTEN_HERE[index])
}
