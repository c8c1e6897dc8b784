import type { ByteReader } from '../byte-reader.ts'
import type { EncodedPacket } from './encoded-packet.ts'
import { beginWriteAt, readOffsetAndBytes, WRITE_FORM } from './write-at-form.ts'

/** Bytes as runs and literals, see `encodeRle` and `decodeRle`. Nothing says how long they become. */
export interface WriteAtRle {
  readonly kind: 'write-at'
  readonly form: 'rle'
  readonly offset: number
  /** Not yet looked at. Borrowed; decoded: a view of the payload. */
  readonly tokens: Uint8Array
}

/**
 * ```
 * 0    1    2            10
 * | 02 | 02 | offset i64 | tokens to the end
 * ```
 */
export function encodeWriteAtRle({ offset, tokens }: WriteAtRle): EncodedPacket {
  return { head: beginWriteAt(WRITE_FORM.rle, 10).u53(offset).done(), data: tokens }
}

export function decodeWriteAtRle(reader: ByteReader): WriteAtRle {
  const { offset, bytes } = readOffsetAndBytes(reader)
  return { kind: 'write-at', form: 'rle', offset, tokens: bytes }
}
