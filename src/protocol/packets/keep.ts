import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { KEPT_RANGES } from '../limits.ts'
import { COMMAND } from './commands.ts'
import { commandOnly, type EncodedPacket, headOnly } from './encoded-packet.ts'

/** Neighbouring blocks. */
export interface BlockRange {
  readonly first: number
  /** At least 1. */
  readonly count: number
}

/** Of the blocks that the destination claims to hold, these are right and will not be sent. Answered. */
export interface Keep {
  readonly kind: 'keep'
  /** In any order; may lie outside the disk. */
  readonly ranges: readonly BlockRange[]
}

/** They are kept. */
export interface KeepResponse {
  readonly kind: 'keep-response'
}

/**
 * ```
 * 0    1           5
 * | 49 | count u32 | count × { first block u32, blocks u32 } |
 * ```
 */
export function encodeKeep({ ranges }: Keep): EncodedPacket {
  const writer = new ByteWriter(5 + 8 * ranges.length).u8(COMMAND.keep).u32(ranges.length)
  for (const { first, count } of ranges) writer.u32(first).u32(count)
  return headOnly(writer.done())
}

export function decodeKeep(payload: Uint8Array): Keep {
  const reader = new ByteReader(payload, 'keep')
  const length = reader.count(8, KEPT_RANGES)
  const ranges: BlockRange[] = []
  for (let index = 0; index < length; index++) {
    const range = { first: reader.u32(), count: reader.u32() }
    if (range.count < 1) throw reader.error('has an empty range')
    ranges.push(range)
  }
  reader.end()
  return { kind: 'keep', ranges }
}

/** `c9` */
export function encodeKeepResponse(): EncodedPacket {
  return commandOnly(COMMAND.keepResponse)
}

export function decodeKeepResponse(payload: Uint8Array): KeepResponse {
  new ByteReader(payload, 'keep-response').end()
  return { kind: 'keep-response' }
}
