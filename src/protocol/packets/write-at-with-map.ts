import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { MAPPED_BLOCKS } from '../limits.ts'
import { COMMAND } from './commands.ts'
import type { EncodedPacket } from './encoded-packet.ts'

/** Where the piece with an identifier lies. */
export interface MappedBlock {
  /** 64 bits, often an address in the memory of some process. */
  readonly id: bigint
  /** Block number, 0..2^53 - 1; may lie outside the device. */
  readonly block: number
}

/** Bytes of a device that keeps pieces by identifier, with the identifiers; answered like `write-at`. */
export interface WriteAtWithMap {
  readonly kind: 'write-at-with-map'
  readonly offset: number
  /** At most `MAPPED_BLOCKS`, in any order. */
  readonly map: readonly MappedBlock[]
  /** Borrowed; decoded: a view of the payload. */
  readonly data: Uint8Array
}

/**
 * ```
 * 0    1            9           13
 * | 09 | offset i64 | count u32 | count × { id u64, block u64 } | data to the end
 * ```
 */
export function encodeWriteAtWithMap({ offset, map, data }: WriteAtWithMap): EncodedPacket {
  const writer = new ByteWriter(13 + 16 * map.length).u8(COMMAND.writeAtWithMap).u53(offset).u32(map.length)
  for (const { id, block } of map) writer.u64(id).u53(block)
  return { head: writer.done(), data }
}

export function decodeWriteAtWithMap(payload: Uint8Array): WriteAtWithMap {
  const reader = new ByteReader(payload, 'write-at-with-map')
  const offset = reader.u53()
  const count = reader.count(16, MAPPED_BLOCKS)
  const map: MappedBlock[] = []
  for (let index = 0; index < count; index++) map.push({ id: reader.u64(), block: reader.u53() })
  return { kind: 'write-at-with-map', offset, map, data: reader.rest() }
}
