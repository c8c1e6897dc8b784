import { ByteReader } from '../byte-reader.ts'
import type { EncodedPacket } from './encoded-packet.ts'
import { decodeWriteAtData, encodeWriteAtData, type WriteAtData } from './write-at-data.ts'
import { WRITE_FORM } from './write-at-form.ts'
import { decodeWriteAtGzip, encodeWriteAtGzip, type WriteAtGzip } from './write-at-gzip.ts'
import { decodeWriteAtHash, encodeWriteAtHash, type WriteAtHash } from './write-at-hash.ts'
import { decodeWriteAtRle, encodeWriteAtRle, type WriteAtRle } from './write-at-rle.ts'
import { decodeYouAlreadyHave, encodeYouAlreadyHave, type YouAlreadyHave } from './write-at-you-already-have.ts'
import { decodeWriteAtZeroes, encodeWriteAtZeroes, type WriteAtZeroes } from './write-at-zeroes.ts'

/** A write that brings its bytes, in one form or another. */
export type WriteAtBytes = WriteAtData | WriteAtRle | WriteAtGzip | WriteAtZeroes

/** What the device holds from now on, told in one of six forms; answered by `write-at-response` or its error. */
export type WriteAt = WriteAtBytes | WriteAtHash | YouAlreadyHave

/**
 * ```
 * 0    1         2
 * | 02 | form u8 | what the form says
 * ```
 */
export function encodeWriteAt(packet: WriteAt): EncodedPacket {
  switch (packet.form) {
    case 'data':
      return encodeWriteAtData(packet)
    case 'hash':
      return encodeWriteAtHash(packet)
    case 'rle':
      return encodeWriteAtRle(packet)
    case 'you-already-have':
      return encodeYouAlreadyHave(packet)
    case 'gzip':
      return encodeWriteAtGzip(packet)
    case 'zeroes':
      return encodeWriteAtZeroes(packet)
  }
}

/** Compressed bytes stay as they came, as a view: what they become is bounded by whoever expands them, see `expandWrite`. */
export function decodeWriteAt(payload: Uint8Array): WriteAt {
  const reader = new ByteReader(payload, 'write-at')
  const form = reader.u8()
  switch (form) {
    case WRITE_FORM.data:
      return decodeWriteAtData(reader)
    case WRITE_FORM.hash:
      return decodeWriteAtHash(reader)
    case WRITE_FORM.rle:
      return decodeWriteAtRle(reader)
    case WRITE_FORM.youAlreadyHave:
      return decodeYouAlreadyHave(reader)
    case WRITE_FORM.gzip:
      return decodeWriteAtGzip(reader)
    case WRITE_FORM.zeroes:
      return decodeWriteAtZeroes(reader)
    default:
      throw reader.error(`has a form ${form}, which means nothing`)
  }
}
