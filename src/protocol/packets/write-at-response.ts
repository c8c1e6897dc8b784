import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { COMMAND } from './commands.ts'
import { commandOnly, type EncodedPacket, headOnly } from './encoded-packet.ts'

/** The write was stored (data), or taken note of (hash, you-already-have). */
export interface WriteAtResponse {
  readonly kind: 'write-at-response'
  /** Bytes written, as many as were sent unless something is wrong. Cut to 32 bits for a long you-already-have. */
  readonly bytes: number
}

/** The write failed. The format has no room for the reason. */
export interface WriteAtResponseError {
  readonly kind: 'write-at-response-error'
}

/** `83 | bytes u32` */
export function encodeWriteAtResponse({ bytes }: WriteAtResponse): EncodedPacket {
  return headOnly(new ByteWriter(5).u8(COMMAND.writeAtResponse).u32(bytes).done())
}

export function decodeWriteAtResponse(payload: Uint8Array): WriteAtResponse {
  const reader = new ByteReader(payload, 'write-at-response')
  const bytes = reader.u32()
  reader.end()
  return { kind: 'write-at-response', bytes }
}

/** `84` */
export function encodeWriteAtResponseError(): EncodedPacket {
  return commandOnly(COMMAND.writeAtResponseError)
}

export function decodeWriteAtResponseError(payload: Uint8Array): WriteAtResponseError {
  new ByteReader(payload, 'write-at-response-error').end()
  return { kind: 'write-at-response-error' }
}
