import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { COMMAND } from './commands.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'
import { checkSha256, SHA256_BYTES } from './sha256.ts'

/** Asks for the block with this hash; answered by `read-by-hash-response` or its error. Silo v0.2.21 does not know it. */
export interface ReadByHash {
  readonly kind: 'read-by-hash'
  /** SHA-256. Decoded: a view of the payload. */
  readonly hash: Uint8Array
}

/** `0e | SHA-256, 32 bytes` */
export function encodeReadByHash({ hash }: ReadByHash): EncodedPacket {
  return headOnly(new ByteWriter(33).u8(COMMAND.readByHash).bytes(checkSha256(hash)).done())
}

export function decodeReadByHash(payload: Uint8Array): ReadByHash {
  const reader = new ByteReader(payload, 'read-by-hash')
  const hash = reader.bytes(SHA256_BYTES)
  reader.end()
  return { kind: 'read-by-hash', hash }
}
