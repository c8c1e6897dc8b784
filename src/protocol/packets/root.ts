import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { COMMAND } from './commands.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'

/** Bytes of a root hash. */
export const ROOT_BYTES = 16

/** The root hash of the disk at the source, which it has locked; asked before the disk is handed over. */
export interface Root {
  readonly kind: 'root'
  /** Bytes of a leaf. */
  readonly blockSize: number
  /** `ROOT_BYTES`; decoded: a view. */
  readonly digest: Uint8Array
}

/** The root hash at the destination, made of what it has stored. */
export interface RootResponse {
  readonly kind: 'root-response'
  readonly digest: Uint8Array
}

/** `45 | block size u32 | digest 16` */
export function encodeRoot({ blockSize, digest }: Root): EncodedPacket {
  return headOnly(new ByteWriter(5 + ROOT_BYTES).u8(COMMAND.root).u32(blockSize).bytes(digest).done())
}

export function decodeRoot(payload: Uint8Array): Root {
  const reader = new ByteReader(payload, 'root')
  const blockSize = reader.u32()
  const digest = reader.bytes(ROOT_BYTES)
  reader.end()
  return { kind: 'root', blockSize, digest }
}

/** `c5 | digest 16` */
export function encodeRootResponse({ digest }: RootResponse): EncodedPacket {
  return headOnly(new ByteWriter(1 + ROOT_BYTES).u8(COMMAND.rootResponse).bytes(digest).done())
}

export function decodeRootResponse(payload: Uint8Array): RootResponse {
  const reader = new ByteReader(payload, 'root-response')
  const digest = reader.bytes(ROOT_BYTES)
  reader.end()
  return { kind: 'root-response', digest }
}
