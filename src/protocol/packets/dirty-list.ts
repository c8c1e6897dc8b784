import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { readBlockList, writeBlockList } from './block-list.ts'
import { COMMAND } from './commands.ts'
import { commandOnly, type EncodedPacket, headOnly } from './encoded-packet.ts'

/** These blocks were written since they were sent: the destination's copies are void. An empty list is legal and sent. */
export interface DirtyList {
  readonly kind: 'dirty-list'
  /** Bytes, at least 1. */
  readonly blockSize: number
  /** Block numbers, in any order; may lie outside the device. */
  readonly blocks: Uint32Array
}

/** The listed blocks are void at the destination now. */
export interface DirtyListResponse {
  readonly kind: 'dirty-list-response'
}

/**
 * ```
 * 0    1                5           9
 * | 05 | block size u32 | count u32 | count × block u32 |
 * ```
 */
export function encodeDirtyList({ blockSize, blocks }: DirtyList): EncodedPacket {
  const writer = new ByteWriter(9 + 4 * blocks.length).u8(COMMAND.dirtyList).u32(blockSize)
  return headOnly(writeBlockList(writer, blocks).done())
}

/** `blocks` is an array of its own. */
export function decodeDirtyList(payload: Uint8Array): DirtyList {
  const reader = new ByteReader(payload, 'dirty-list')
  const blockSize = reader.u32()
  if (blockSize === 0) throw reader.error('has a block size of 0')
  const blocks = readBlockList(reader)
  reader.end()
  return { kind: 'dirty-list', blockSize, blocks }
}

/** `87` */
export function encodeDirtyListResponse(): EncodedPacket {
  return commandOnly(COMMAND.dirtyListResponse)
}

export function decodeDirtyListResponse(payload: Uint8Array): DirtyListResponse {
  new ByteReader(payload, 'dirty-list-response').end()
  return { kind: 'dirty-list-response' }
}
