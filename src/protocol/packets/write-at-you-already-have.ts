import type { ByteReader } from '../byte-reader.ts'
import { readBlockList, writeBlockList } from './block-list.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'
import { beginWriteAt, WRITE_FORM } from './write-at-form.ts'

/** Blocks that the destination has and that will not be sent. Sent before the first block of a device, even if empty. */
export interface YouAlreadyHave {
  readonly kind: 'write-at'
  readonly form: 'you-already-have'
  /** Bytes, 1..2^53 - 1. */
  readonly blockSize: number
  /** Block numbers, in any order; may lie outside the device. Decoded: an array of its own. */
  readonly blocks: Uint32Array
}

/**
 * ```
 * 0    1    2                10          14
 * | 02 | 03 | block size u64 | count u32 | count × block u32 |
 * ```
 */
export function encodeYouAlreadyHave({ blockSize, blocks }: YouAlreadyHave): EncodedPacket {
  const writer = beginWriteAt(WRITE_FORM.youAlreadyHave, 14 + 4 * blocks.length).u53(blockSize)
  return headOnly(writeBlockList(writer, blocks).done())
}

export function decodeYouAlreadyHave(reader: ByteReader): YouAlreadyHave {
  const blockSize = reader.u53()
  if (blockSize === 0) throw reader.error('has a block size of 0')
  const blocks = readBlockList(reader)
  reader.end()
  return { kind: 'write-at', form: 'you-already-have', blockSize, blocks }
}
