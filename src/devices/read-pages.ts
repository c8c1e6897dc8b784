import { StorageError } from '../errors/storage-error.ts'
import { type DigestLevel, pageBytes } from '../protocol/packets/read-digests.ts'
import type { BlockDigests } from '../storage/block-digests.ts'
import { PAGE_BITS_BYTES, pageClaims, pageLeaves } from '../storage/page-claims.ts'

/** What a peer is told of some pages. `bits`: says which blocks of a page are here; default: those that are known. @throws StorageError `MALFORMED` */
export function readPages(
  digests: BlockDigests,
  { level, first, count }: { level: DigestLevel; first: number; count: number },
  bits?: (page: number) => Uint8Array,
): Uint8Array {
  if (first + count > digests.pageCount) {
    throw new StorageError('MALFORMED', 'The peer asks for digests past the end of the disk.')
  }
  if (level === 'claims') return pageClaims(digests, first, count)
  const size = pageBytes(level)
  const pages = new Uint8Array(count * size)
  for (let index = 0; index < count; index++) {
    const leaves = pageLeaves(digests, first + index)
    pages.set(bits?.(first + index) ?? leaves.known, index * size)
    pages.set(leaves.digests, index * size + PAGE_BITS_BYTES)
  }
  return pages
}
