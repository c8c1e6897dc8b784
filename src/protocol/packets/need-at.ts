import { type ByteRange, decodeByteRange, encodeByteRange } from './byte-range.ts'
import { COMMAND } from './commands.ts'
import type { EncodedPacket } from './encoded-packet.ts'

/** A reader at the destination waits for these bytes: send them before others. Never answered. */
export interface NeedAt extends ByteRange {
  readonly kind: 'need-at'
}

/** `03 | offset i64 | length i32`; Silo sends the block size as length also for a short last block. */
export function encodeNeedAt(packet: NeedAt): EncodedPacket {
  return encodeByteRange(COMMAND.needAt, packet)
}

export function decodeNeedAt(payload: Uint8Array): NeedAt {
  return { kind: 'need-at', ...decodeByteRange(payload, 'need-at') }
}
