import { type ByteRange, decodeByteRange, encodeByteRange } from './byte-range.ts'
import { COMMAND } from './commands.ts'
import type { EncodedPacket } from './encoded-packet.ts'

/** The destination has written these whole blocks itself: do not send them. Never answered. */
export interface DontNeedAt extends ByteRange {
  readonly kind: 'dont-need-at'
}

/** `04 | offset i64 | length i32` */
export function encodeDontNeedAt(packet: DontNeedAt): EncodedPacket {
  return encodeByteRange(COMMAND.dontNeedAt, packet)
}

export function decodeDontNeedAt(payload: Uint8Array): DontNeedAt {
  return { kind: 'dont-need-at', ...decodeByteRange(payload, 'dont-need-at') }
}
