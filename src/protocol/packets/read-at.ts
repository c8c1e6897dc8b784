import { type ByteRange, decodeByteRange, encodeByteRange } from './byte-range.ts'
import { COMMAND } from './commands.ts'
import type { EncodedPacket } from './encoded-packet.ts'

/** Asks for bytes of the device; answered by `read-at-response` or its error. */
export interface ReadAt extends ByteRange {
  readonly kind: 'read-at'
}

/** `01 | offset i64 | length i32` */
export function encodeReadAt(packet: ReadAt): EncodedPacket {
  return encodeByteRange(COMMAND.readAt, packet)
}

export function decodeReadAt(payload: Uint8Array): ReadAt {
  return { kind: 'read-at', ...decodeByteRange(payload, 'read-at') }
}
