import type { ByteReader } from '../byte-reader.ts'
import type { EncodedPacket } from './encoded-packet.ts'
import { beginWriteAt, readOffsetAndBytes, WRITE_FORM } from './write-at-form.ts'

/** Bytes as one gzip member (RFC 1952), see `encodeGzip` and `decodeGzip`. */
export interface WriteAtGzip {
  readonly kind: 'write-at'
  readonly form: 'gzip'
  readonly offset: number
  /** Not yet looked at. Borrowed; decoded: a view of the payload. */
  readonly member: Uint8Array
}

/**
 * ```
 * 0    1    2            10
 * | 02 | 04 | offset i64 | gzip member to the end
 * ```
 */
export function encodeWriteAtGzip({ offset, member }: WriteAtGzip): EncodedPacket {
  return { head: beginWriteAt(WRITE_FORM.gzip, 10).u53(offset).done(), data: member }
}

export function decodeWriteAtGzip(reader: ByteReader): WriteAtGzip {
  const { offset, bytes } = readOffsetAndBytes(reader)
  return { kind: 'write-at', form: 'gzip', offset, member: bytes }
}
