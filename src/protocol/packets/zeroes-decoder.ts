import { ByteReader } from '../byte-reader.ts'
import { DECODED_BYTES } from '../limits.ts'

/**
 * The bytes that `encodeZeroes` was given: `length` zeroes with the segments put in.
 * @throws StorageError `LIMIT_EXCEEDED` for a length above `limit`, before anything is allocated; `MALFORMED` for segments that are cut,
 * leave the length, overlap or go back.
 */
export function decodeZeroes(segments: Uint8Array, length: number, limit = DECODED_BYTES): Uint8Array {
  if (length > limit) {
    throw new ByteReader(segments, 'write-at', 0).error(`becomes ${length} bytes, more than ${limit}`, 'LIMIT_EXCEEDED')
  }
  const target = new Uint8Array(length)
  putSegments(segments, target)
  return target
}

/** As {@link decodeZeroes}, into the whole of `target`; after an error part of it is written. */
export function decodeZeroesInto(segments: Uint8Array, target: Uint8Array): void {
  target.fill(0)
  putSegments(segments, target)
}

function putSegments(segments: Uint8Array, target: Uint8Array): void {
  const reader = new ByteReader(segments, 'write-at', 0)
  let free = 0
  while (reader.remaining > 0) {
    const start = unsigned(reader)
    const length = unsigned(reader)
    if (start < free || length > target.length - start) {
      throw reader.error(`has ${length} bytes at ${start}, free is ${free} to ${target.length}`)
    }
    reader.copyTo(target, start, length)
    free = start + length
  }
}

/** A zig-zag number, which the format never needs to be negative. */
function unsigned(reader: ByteReader): number {
  const value = reader.varint()
  if (value % 2 !== 0) throw reader.error('has a negative position')
  return value / 2
}
