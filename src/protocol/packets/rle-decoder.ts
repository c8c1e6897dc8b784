import { ByteReader } from '../byte-reader.ts'
import { DECODED_BYTES } from '../limits.ts'

/**
 * The bytes that `encodeRle`, or any other encoder, was given. Every token takes at least one byte of `tokens`, so this ends.
 * @throws StorageError `MALFORMED` for tokens that are cut, `LIMIT_EXCEEDED` when they become more than `limit` bytes, before anything is
 * allocated.
 */
export function decodeRle(tokens: Uint8Array, limit = DECODED_BYTES): Uint8Array {
  const target = new Uint8Array(rleLength(tokens, limit))
  decodeRleInto(tokens, target)
  return target
}

/** How many bytes the tokens become. Checks all that {@link decodeRle} checks. */
export function rleLength(tokens: Uint8Array, limit = DECODED_BYTES): number {
  const reader = new ByteReader(tokens, 'write-at', 0)
  let length = 0
  while (reader.remaining > 0) {
    const token = reader.varint()
    const count = Math.floor(token / 2)
    reader.skip(token % 2 === 0 ? count : 1)
    length += count
    if (length > limit) throw reader.error(`becomes more than ${limit} bytes`, 'LIMIT_EXCEEDED')
  }
  return length
}

/**
 * As {@link decodeRle}, into the start of `target`, whose length is the limit; returns the number of bytes. After an error part of
 * it is written.
 */
export function decodeRleInto(tokens: Uint8Array, target: Uint8Array): number {
  const reader = new ByteReader(tokens, 'write-at', 0)
  let at = 0
  while (reader.remaining > 0) {
    const token = reader.varint()
    const count = Math.floor(token / 2)
    const end = at + count
    const isLiteral = token % 2 === 0
    // What is cut is malformed, whatever it would have become.
    reader.require(isLiteral ? count : 1)
    if (end > target.length) throw reader.error(`becomes more than ${target.length} bytes`, 'LIMIT_EXCEEDED')
    if (isLiteral) reader.copyTo(target, at, count)
    else fill(target, reader.u8(), at, end)
    at = end
  }
  return at
}

/** Below this many bytes a loop is faster than a call of `fill`. */
const SHORT_RUN_BYTES = 32

function fill(target: Uint8Array, value: number, start: number, end: number): void {
  if (end - start >= SHORT_RUN_BYTES) target.fill(value, start, end)
  else for (let at = start; at < end; at++) target[at] = value
}
