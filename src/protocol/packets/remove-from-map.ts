import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { REMOVED_IDS } from '../limits.ts'
import { COMMAND } from './commands.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'

/** The pieces with these identifiers are gone at the source. Never answered. */
export interface RemoveFromMap {
  readonly kind: 'remove-from-map'
  readonly ids: BigUint64Array
}

/**
 * ```
 * 0    1           5
 * | 0b | count u32 | count × id u64 |
 * ```
 */
export function encodeRemoveFromMap({ ids }: RemoveFromMap): EncodedPacket {
  const writer = new ByteWriter(5 + 8 * ids.length).u8(COMMAND.removeFromMap).u32(ids.length)
  for (const id of ids) writer.u64(id)
  return headOnly(writer.done())
}

/** `ids` is an array of its own. */
export function decodeRemoveFromMap(payload: Uint8Array): RemoveFromMap {
  const reader = new ByteReader(payload, 'remove-from-map')
  const ids = new BigUint64Array(reader.count(8, REMOVED_IDS))
  for (let index = 0; index < ids.length; index++) ids[index] = reader.u64()
  reader.end()
  return { kind: 'remove-from-map', ids }
}
