import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { MESSAGE_BYTES } from '../limits.ts'
import { COMMAND } from './commands.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'

/** Bytes of an error code: ours are below 20. */
const CODE_BYTES = 64

/** A request failed, and why; the answer to any request in dialect `blockferry/1`. */
export interface FailureResponse {
  readonly kind: 'failure-response'
  /** A code of ours, or one of a later version. */
  readonly code: string
  /** A stranger's text. */
  readonly message: string
}

/** The connection is ended because of this. Device 0, the last packet of a side. Never answered. */
export interface Farewell {
  readonly kind: 'farewell'
  readonly code: string
  readonly message: string
}

/**
 * ```
 * 0         1              2      2 + n                4 + n
 * | c0 / 42 | code length u8 | code | message length u16 | message |
 * ```
 */
export function encodeFailureResponse(failure: FailureResponse): EncodedPacket {
  return encode(COMMAND.failureResponse, failure)
}

export function encodeFarewell(farewell: Farewell): EncodedPacket {
  return encode(COMMAND.farewell, farewell)
}

export function decodeFailureResponse(payload: Uint8Array): FailureResponse {
  return { kind: 'failure-response', ...decode(payload, 'failure-response') }
}

export function decodeFarewell(payload: Uint8Array): Farewell {
  return { kind: 'farewell', ...decode(payload, 'farewell') }
}

function encode(command: number, { code, message }: { code: string; message: string }): EncodedPacket {
  const codeBytes = new TextEncoder().encode(code).subarray(0, CODE_BYTES)
  const messageBytes = new TextEncoder().encode(cut(message))
  const writer = new ByteWriter(4 + codeBytes.length + messageBytes.length).u8(command)
  writer.u8(codeBytes.length).bytes(codeBytes).u16(messageBytes.length)
  return headOnly(writer.bytes(messageBytes).done())
}

function decode(payload: Uint8Array, packet: string): { code: string; message: string } {
  const reader = new ByteReader(payload, packet)
  const code = reader.text(reader.u8(), CODE_BYTES)
  const message = reader.text(reader.u16(), MESSAGE_BYTES)
  reader.end()
  return { code, message }
}

/** Our own messages may quote others': cut where a peer would refuse. A character is at most four bytes. */
function cut(message: string): string {
  return message.slice(0, MESSAGE_BYTES / 4)
}
