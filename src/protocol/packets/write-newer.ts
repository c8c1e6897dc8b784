import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { COMMAND } from './commands.ts'
import type { EncodedPacket } from './encoded-packet.ts'
import { decodeWriteAt, encodeWriteAt, type WriteAt } from './write-at.ts'

/**
 * A write sent after dirty lists: no older copy of its blocks may replace it. Each dirty list of a device raises the generation by one, and
 * the blocks it names are of that generation from then on; a plain `write-at` is of generation 0. Answered as `write-at` is, also when it
 * came too late and was dropped.
 */
export interface WriteNewer {
  readonly kind: 'write-newer'
  /** Dirty lists of this device before this write, at least 1. */
  readonly generation: number
  readonly write: WriteAt
}

/**
 * ```
 * 0    1                5
 * | 46 | generation u32 | a write-at, with its own command byte
 * ```
 */
export function encodeWriteNewer({ generation, write }: WriteNewer): EncodedPacket {
  const { head, data } = encodeWriteAt(write)
  return { head: new ByteWriter(5 + head.length).u8(COMMAND.writeNewer).u32(generation).bytes(head).done(), data }
}

export function decodeWriteNewer(payload: Uint8Array): WriteNewer {
  const reader = new ByteReader(payload, 'write-newer')
  const generation = reader.u32()
  if (generation === 0) throw reader.error('has a generation 0')
  const write = reader.rest()
  if (write[0] !== COMMAND.writeAt) throw reader.error('holds something other than a write-at')
  return { kind: 'write-newer', generation, write: decodeWriteAt(write) }
}
