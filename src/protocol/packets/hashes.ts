import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'
import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { LISTED_HASHES } from '../limits.ts'
import { COMMAND } from './commands.ts'
import { commandOnly, type EncodedPacket, headOnly } from './encoded-packet.ts'
import { SHA256_BYTES } from './sha256.ts'

/** What the blocks of the device must hash to. Two flat arrays, since an object per block would outweigh the packet. */
export interface Hashes {
  readonly kind: 'hashes'
  /** Block numbers in any order; may repeat and may lie outside the device. */
  readonly blocks: Uint32Array
  /** SHA-256 of `blocks[i]` at `i * 32`. */
  readonly digests: Uint8Array
}

/** The hashes were dealt with. */
export interface HashesResponse {
  readonly kind: 'hashes-response'
}

const ENTRY_BYTES = 4 + SHA256_BYTES

/**
 * ```
 * 0    1           5                37
 * | 08 | block u32 | SHA-256, 32 bytes | and again to the end
 * ```
 */
export function encodeHashes({ blocks, digests }: Hashes): EncodedPacket {
  if (digests.length !== blocks.length * SHA256_BYTES) {
    throw new InvalidArgumentError('digests', `${blocks.length * SHA256_BYTES} bytes`, digests.length)
  }
  const writer = new ByteWriter(1 + blocks.length * ENTRY_BYTES).u8(COMMAND.hashes)
  for (let index = 0; index < blocks.length; index++) {
    writer.u32(blocks[index]!).bytes(digests.subarray(index * SHA256_BYTES, (index + 1) * SHA256_BYTES))
  }
  return headOnly(writer.done())
}

/** Both arrays are copies. */
export function decodeHashes(payload: Uint8Array): Hashes {
  const reader = new ByteReader(payload, 'hashes')
  const count = reader.remaining / ENTRY_BYTES
  if (!Number.isInteger(count)) throw reader.error('ends within a hash')
  if (count > LISTED_HASHES) throw reader.error(`has ${count} hashes, more than ${LISTED_HASHES}`, 'LIMIT_EXCEEDED')
  const blocks = new Uint32Array(count)
  const digests = new Uint8Array(count * SHA256_BYTES)
  for (let index = 0; index < count; index++) {
    blocks[index] = reader.u32()
    digests.set(reader.bytes(SHA256_BYTES), index * SHA256_BYTES)
  }
  return { kind: 'hashes', blocks, digests }
}

/** `86` */
export function encodeHashesResponse(): EncodedPacket {
  return commandOnly(COMMAND.hashesResponse)
}

export function decodeHashesResponse(payload: Uint8Array): HashesResponse {
  new ByteReader(payload, 'hashes-response').end()
  return { kind: 'hashes-response' }
}
