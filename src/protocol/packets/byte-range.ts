import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'

/** The part of a disk that a packet speaks of, as it was sent: it may lie outside the disk, or be empty. */
export interface ByteRange {
  /** Bytes, 0..2^53 - 1. */
  readonly offset: number
  /** Bytes, 0..2^31 - 1. */
  readonly length: number
}

/**
 * Three packets are a command and a range, the numbers signed on the wire and never negative:
 * ```
 * 0         1            9             13
 * | command | offset i64 | length i32 |
 * ```
 */
export function encodeByteRange(command: number, { offset, length }: ByteRange): EncodedPacket {
  return headOnly(new ByteWriter(13).u8(command).u53(offset).u31(length).done())
}

/** The range in a packet of the form of {@link encodeByteRange}. @throws StorageError `MALFORMED` */
export function decodeByteRange(payload: Uint8Array, packet: string): ByteRange {
  const reader = new ByteReader(payload, packet)
  const range = { offset: reader.u53(), length: reader.u31() }
  reader.end()
  return range
}
