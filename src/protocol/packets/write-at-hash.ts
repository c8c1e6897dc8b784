import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'
import type { ByteReader } from '../byte-reader.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'
import { checkSha256, SHA256_BYTES } from './sha256.ts'
import { beginWriteAt, WRITE_FORM } from './write-at-form.ts'

/** Where the bytes of a hash are; one more than the index is the byte on the wire. */
export const HASH_LOCATIONS = ['s3', 'base-image'] as const

/** Not the bytes but their hash: the destination gets them from somewhere else. */
export interface WriteAtHash {
  readonly kind: 'write-at'
  readonly form: 'hash'
  readonly location: (typeof HASH_LOCATIONS)[number]
  readonly offset: number
  /** Bytes, 0..2^53 - 1. */
  readonly length: number
  /** SHA-256 of the bytes. Decoded: a view of the payload. */
  readonly hash: Uint8Array
}

/**
 * ```
 * 0    1    2             3            11           19                 51
 * | 02 | 01 | location u8 | offset i64 | length i64 | SHA-256, 32 bytes |
 * ```
 */
export function encodeWriteAtHash({ location, offset, length, hash }: WriteAtHash): EncodedPacket {
  const index = HASH_LOCATIONS.indexOf(location)
  if (index < 0) throw new InvalidArgumentError('location', HASH_LOCATIONS.join(', '), location)
  const writer = beginWriteAt(WRITE_FORM.hash, 19 + SHA256_BYTES).u8(index + 1)
  return headOnly(writer.u53(offset).u53(length).bytes(checkSha256(hash)).done())
}

export function decodeWriteAtHash(reader: ByteReader): WriteAtHash {
  const byte = reader.u8()
  const location = HASH_LOCATIONS[byte - 1]
  if (location === undefined) throw reader.error(`has a location ${byte}, which means nothing`)
  const packet = { offset: reader.u53(), length: reader.u53(), hash: reader.bytes(SHA256_BYTES) }
  reader.end()
  return { kind: 'write-at', form: 'hash', location, ...packet }
}
