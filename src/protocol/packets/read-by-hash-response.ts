import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { MESSAGE_BYTES } from '../limits.ts'
import { COMMAND } from './commands.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'
import { encodeText } from './text-bytes.ts'

/** The block that was asked for, if its hash is the one that was asked for: nothing here checks that. */
export interface ReadByHashResponse {
  readonly kind: 'read-by-hash-response'
  /** Borrowed; decoded: a view of the payload. */
  readonly data: Uint8Array
}

/** The block cannot be had. The only error of the format that says why. */
export interface ReadByHashResponseError {
  readonly kind: 'read-by-hash-response-error'
  /** A stranger's text, at most `MESSAGE_BYTES` of UTF-8. */
  readonly error: string
}

/** `88 | length u32 | data` */
export function encodeReadByHashResponse({ data }: ReadByHashResponse): EncodedPacket {
  return { head: new ByteWriter(5).u8(COMMAND.readByHashResponse).u32(data.length).done(), data }
}

export function decodeReadByHashResponse(payload: Uint8Array): ReadByHashResponse {
  const reader = new ByteReader(payload, 'read-by-hash-response')
  const data = reader.bytes(reader.u32())
  reader.end()
  return { kind: 'read-by-hash-response', data }
}

/** `89 | length u32 | message` */
export function encodeReadByHashResponseError({ error }: ReadByHashResponseError): EncodedPacket {
  const text = encodeText('error', error, MESSAGE_BYTES)
  const writer = new ByteWriter(5 + text.length).u8(COMMAND.readByHashResponseError)
  return headOnly(writer.u32(text.length).bytes(text).done())
}

export function decodeReadByHashResponseError(payload: Uint8Array): ReadByHashResponseError {
  const reader = new ByteReader(payload, 'read-by-hash-response-error')
  const error = reader.text(reader.u32(), MESSAGE_BYTES)
  reader.end()
  return { kind: 'read-by-hash-response-error', error }
}
