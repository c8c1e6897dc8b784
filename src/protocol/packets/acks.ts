import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { ACK_RANGES } from '../limits.ts'
import { COMMAND } from './commands.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'

/** Neighbouring requests that were all done in full. */
export interface AckRange {
  readonly firstId: number
  /** At least 1. */
  readonly count: number
}

/** Writes of one device that were stored in full: one answer to many requests, whose order it does not tell. Itself never answered. */
export interface Acks {
  readonly kind: 'acks'
  readonly ranges: readonly AckRange[]
}

/**
 * ```
 * 0    1           3
 * | 44 | count u16 | count × { first id u32, ids u32 } |
 * ```
 */
export function encodeAcks({ ranges }: Acks): EncodedPacket {
  const writer = new ByteWriter(3 + 8 * ranges.length).u8(COMMAND.acks).u16(ranges.length)
  for (const { firstId, count } of ranges) writer.u32(firstId).u32(count)
  return headOnly(writer.done())
}

export function decodeAcks(payload: Uint8Array): Acks {
  const reader = new ByteReader(payload, 'acks')
  const count = reader.u16()
  if (count > ACK_RANGES) throw reader.error(`has ${count} ranges`, 'LIMIT_EXCEEDED')
  const ranges: AckRange[] = []
  for (let index = 0; index < count; index++) ranges.push({ firstId: reader.u32(), count: reader.u32() })
  reader.end()
  return { kind: 'acks', ranges }
}
