import type { ByteReader } from '../byte-reader.ts'
import type { EncodedPacket } from './encoded-packet.ts'
import { beginWriteAt, readOffsetAndBytes, WRITE_FORM } from './write-at-form.ts'

/** Bytes as they are. */
export interface WriteAtData {
  readonly kind: 'write-at'
  readonly form: 'data'
  readonly offset: number
  /** Borrowed; decoded: a view of the payload. */
  readonly data: Uint8Array
}

/**
 * ```
 * 0    1    2            10
 * | 02 | 00 | offset i64 | data to the end
 * ```
 */
export function encodeWriteAtData({ offset, data }: WriteAtData): EncodedPacket {
  return { head: beginWriteAt(WRITE_FORM.data, 10).u53(offset).done(), data }
}

export function decodeWriteAtData(reader: ByteReader): WriteAtData {
  const { offset, bytes } = readOffsetAndBytes(reader)
  return { kind: 'write-at', form: 'data', offset, data: bytes }
}
