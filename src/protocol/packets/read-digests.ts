import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { CLAIMED_PAGES, LEAF_PAGES } from '../limits.ts'
import { COMMAND } from './commands.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'

/** Blocks of one page of digests. */
export const PAGE_BLOCKS = 256

/** Bytes of the hash over what is known of a page. */
export const CLAIM_BYTES = 16

/** Bytes of a page in full: which of its blocks are known, and 256 digests of 16 bytes. */
export const LEAVES_BYTES = PAGE_BLOCKS / 8 + PAGE_BLOCKS * 16

/** `claims`: one hash a page; `leaves`: what is known of each block. */
export type DigestLevel = 'claims' | 'leaves'

/** Asks what the other side knows of the blocks it holds. Either side may ask. Answered. */
export interface ReadDigests {
  readonly kind: 'read-digests'
  readonly level: DigestLevel
  /** The first page of `PAGE_BLOCKS` blocks; may lie outside the disk. */
  readonly first: number
  /** Pages, at least 1; at most `CLAIMED_PAGES` claims or `LEAF_PAGES` pages of leaves. */
  readonly count: number
}

/** A peer's word for what it holds: to be compared, not to be trusted. */
export interface ReadDigestsResponse {
  readonly kind: 'read-digests-response'
  readonly level: DigestLevel
  /** `CLAIM_BYTES` or `LEAVES_BYTES` a page. Decoded: a view. */
  readonly pages: Uint8Array
}

/** Bytes of one page at this level. */
export function pageBytes(level: DigestLevel): number {
  return level === 'claims' ? CLAIM_BYTES : LEAVES_BYTES
}

/** `48 | level u8: 0 leaves, 1 claims | first page u32 | pages u32` */
export function encodeReadDigests({ level, first, count }: ReadDigests): EncodedPacket {
  const writer = new ByteWriter(10).u8(COMMAND.readDigests).u8(level === 'claims' ? 1 : 0)
  return headOnly(writer.u32(first).u32(count).done())
}

export function decodeReadDigests(payload: Uint8Array): ReadDigests {
  const reader = new ByteReader(payload, 'read-digests')
  const level = readLevel(reader)
  const first = reader.u32()
  const count = reader.u32()
  if (count < 1) throw reader.error('asks for nothing')
  checkPages(reader, level, count)
  reader.end()
  return { kind: 'read-digests', level, first, count }
}

/**
 * ```
 * 0    1          2
 * | c8 | level u8 | pages × claim 16, or pages × { known: 256 bits, lowest first | 256 × digest 16 } |
 * ```
 */
export function encodeReadDigestsResponse({ level, pages }: ReadDigestsResponse): EncodedPacket {
  const head = new ByteWriter(2).u8(COMMAND.readDigestsResponse).u8(level === 'claims' ? 1 : 0)
  return { head: head.done(), data: pages }
}

export function decodeReadDigestsResponse(payload: Uint8Array): ReadDigestsResponse {
  const reader = new ByteReader(payload, 'read-digests-response')
  const level = readLevel(reader)
  const pages = reader.rest()
  if (pages.length % pageBytes(level) !== 0) throw reader.error('ends within a page')
  checkPages(reader, level, pages.length / pageBytes(level))
  return { kind: 'read-digests-response', level, pages }
}

function readLevel(reader: ByteReader): DigestLevel {
  const level = reader.u8()
  if (level > 1) throw reader.error(`has a level ${level}, which means nothing`)
  return level === 1 ? 'claims' : 'leaves'
}

function checkPages(reader: ByteReader, level: DigestLevel, count: number): void {
  const limit = level === 'claims' ? CLAIMED_PAGES : LEAF_PAGES
  if (count > limit) throw reader.error(`has ${count} pages, more than ${limit}`, 'LIMIT_EXCEEDED')
}
