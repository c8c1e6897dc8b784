import type { ByteReader } from '../byte-reader.ts'
import type { EncodedPacket } from './encoded-packet.ts'
import { beginWriteAt, WRITE_FORM } from './write-at-form.ts'

/** Zeroes, and the segments that are not, see `encodeZeroes` and `decodeZeroes`. No segments: all is zero. */
export interface WriteAtZeroes {
  readonly kind: 'write-at'
  readonly form: 'zeroes'
  readonly offset: number
  /** Bytes to be written, 0..2^53 - 1: a claim of the peer until it was compared with a limit. */
  readonly length: number
  /** Not yet looked at. Borrowed; decoded: a view of the payload. */
  readonly segments: Uint8Array
}

/**
 * ```
 * 0    1    2            10           18
 * | 02 | 05 | offset i64 | length u64 | segments to the end
 * ```
 */
export function encodeWriteAtZeroes({ offset, length, segments }: WriteAtZeroes): EncodedPacket {
  return { head: beginWriteAt(WRITE_FORM.zeroes, 18).u53(offset).u53(length).done(), data: segments }
}

export function decodeWriteAtZeroes(reader: ByteReader): WriteAtZeroes {
  return { kind: 'write-at', form: 'zeroes', offset: reader.u53(), length: reader.u53(), segments: reader.rest() }
}
