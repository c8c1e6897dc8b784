import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { LISTED_TAGS } from '../limits.ts'
import { COMMAND } from './commands.ts'
import type { EncodedPacket } from './encoded-packet.ts'

/**
 * Bytes of a tag: the first half of a block's digest. An accident passes one in 2^64 times, and what passes is found by the root, which is made of whole
 * digests; with blocks of 4 KiB whole ones would be 0.4 % of all that is sent.
 */
export const TAG_BYTES = 8

/**
 * A write of whole blocks with a tag for each, so that none is stored, or shown to whoever waits for it, that was damaged on the way. Answered as
 * `write-at` is, or by a failure `DAMAGED`. Only to a peer that offers to check.
 */
export interface WriteChecked {
  readonly kind: 'write-checked'
  /** As in `write-newer`; 0 before the first dirty list. */
  readonly generation: number
  /** Where a block begins. */
  readonly offset: number
  /** `TAG_BYTES` for each block; decoded: a view. */
  readonly tags: Uint8Array
  /** Borrowed; decoded: a view. Blocks one after the other, the last one of the disk as short as it is. */
  readonly data: Uint8Array
}

/**
 * ```
 * 0    1                5            13        17
 * | 4e | generation u32 | offset i64 | n u32 | n tags of 8 bytes | data to the end
 * ```
 */
export function encodeWriteChecked({ generation, offset, tags, data }: WriteChecked): EncodedPacket {
  const writer = new ByteWriter(17 + tags.length).u8(COMMAND.writeChecked).u32(generation).u53(offset)
  return {
    head: writer
      .u32(tags.length / TAG_BYTES)
      .bytes(tags)
      .done(),
    data,
  }
}

export function decodeWriteChecked(payload: Uint8Array): WriteChecked {
  const reader = new ByteReader(payload, 'write-checked')
  const generation = reader.u32()
  const offset = reader.u53()
  const tags = reader.bytes(reader.count(TAG_BYTES, LISTED_TAGS) * TAG_BYTES)
  return { kind: 'write-checked', generation, offset, tags, data: reader.rest() }
}

/** The tags of blocks with these digests of 16 bytes. */
export function tagsOf(digests: Uint8Array): Uint8Array {
  const tags = new Uint8Array(digests.length / 2)
  for (let at = 0; at < tags.length; at++) tags[at] = digests[(at & -TAG_BYTES) + at]!
  return tags
}

/** Whether these are the tags of blocks with these digests. */
export function matchTags(tags: Uint8Array, digests: Uint8Array): boolean {
  if (tags.length * 2 !== digests.length) return false
  for (let at = 0; at < tags.length; at++) if (tags[at] !== digests[(at & -TAG_BYTES) + at]) return false
  return true
}
