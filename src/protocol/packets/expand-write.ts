import { StorageError } from '../../errors/storage-error.ts'
import { DECODED_BYTES } from '../limits.ts'
import { decodeGzip } from './gzip.ts'
import { decodeRle } from './rle-decoder.ts'
import type { WriteAtBytes } from './write-at.ts'
import { decodeZeroes } from './zeroes-decoder.ts'

/**
 * The bytes that a write brings: for `data` the very view, otherwise a buffer of its own. Only gzip makes the caller wait.
 * @throws StorageError `LIMIT_EXCEEDED` for more than `limit` bytes, `MALFORMED` for what cannot be expanded.
 */
export function expandWrite(write: WriteAtBytes, limit = DECODED_BYTES): Uint8Array | Promise<Uint8Array> {
  switch (write.form) {
    case 'data':
      if (write.data.length <= limit) return write.data
      throw new StorageError('LIMIT_EXCEEDED', `A write has ${write.data.length} bytes, more than ${limit}.`)
    case 'rle':
      return decodeRle(write.tokens, limit)
    case 'gzip':
      return decodeGzip(write.member, limit)
    case 'zeroes':
      return decodeZeroes(write.segments, write.length, limit)
  }
}
