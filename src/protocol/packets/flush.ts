import { ByteReader } from '../byte-reader.ts'
import { COMMAND } from './commands.ts'
import { commandOnly, type EncodedPacket } from './encoded-packet.ts'

/** Everything answered before is to survive a crash. */
export interface Flush {
  readonly kind: 'flush'
}

/** It would. */
export interface FlushResponse {
  readonly kind: 'flush-response'
}

/** `43` */
export function encodeFlush(): EncodedPacket {
  return commandOnly(COMMAND.flush)
}

export function decodeFlush(payload: Uint8Array): Flush {
  new ByteReader(payload, 'flush').end()
  return { kind: 'flush' }
}

/** `c3` */
export function encodeFlushResponse(): EncodedPacket {
  return commandOnly(COMMAND.flushResponse)
}

export function decodeFlushResponse(payload: Uint8Array): FlushResponse {
  new ByteReader(payload, 'flush-response').end()
  return { kind: 'flush-response' }
}
