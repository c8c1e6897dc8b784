import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { COMMAND } from './commands.ts'
import { commandOnly, type EncodedPacket } from './encoded-packet.ts'

/** The bytes that were asked for. */
export interface ReadAtResponse {
  readonly kind: 'read-at-response'
  /** How many bytes were read; never more than `data` has. */
  readonly bytes: number
  /** The whole buffer of the side that read, longer than `bytes` after a short read at the end of the device. Borrowed. */
  readonly data: Uint8Array
}

/** The read failed. The format has no room for the reason. */
export interface ReadAtResponseError {
  readonly kind: 'read-at-response-error'
}

/**
 * ```
 * 0    1           5
 * | 81 | bytes u32 | data to the end
 * ```
 */
export function encodeReadAtResponse({ bytes, data }: ReadAtResponse): EncodedPacket {
  return { head: new ByteWriter(5).u8(COMMAND.readAtResponse).u32(bytes).done(), data }
}

/** `data` is a view of the payload. */
export function decodeReadAtResponse(payload: Uint8Array): ReadAtResponse {
  const reader = new ByteReader(payload, 'read-at-response')
  const bytes = reader.u32()
  if (bytes > reader.remaining) throw reader.error(`says that ${bytes} bytes were read`)
  return { kind: 'read-at-response', bytes, data: reader.rest() }
}

/** `82` */
export function encodeReadAtResponseError(): EncodedPacket {
  return commandOnly(COMMAND.readAtResponseError)
}

export function decodeReadAtResponseError(payload: Uint8Array): ReadAtResponseError {
  new ByteReader(payload, 'read-at-response-error').end()
  return { kind: 'read-at-response-error' }
}
