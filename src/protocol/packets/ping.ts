import { ByteReader } from '../byte-reader.ts'
import { COMMAND } from './commands.ts'
import { commandOnly, type EncodedPacket } from './encoded-packet.ts'

/** Is anybody there? Sent on device 0 when nothing has come for a while. */
export interface Ping {
  readonly kind: 'ping'
}

/** Yes. */
export interface PingResponse {
  readonly kind: 'ping-response'
}

/** `60` */
export function encodePing(): EncodedPacket {
  return commandOnly(COMMAND.ping)
}

export function decodePing(payload: Uint8Array): Ping {
  new ByteReader(payload, 'ping').end()
  return { kind: 'ping' }
}

/** `e0` */
export function encodePingResponse(): EncodedPacket {
  return commandOnly(COMMAND.pingResponse)
}

export function decodePingResponse(payload: Uint8Array): PingResponse {
  new ByteReader(payload, 'ping-response').end()
  return { kind: 'ping-response' }
}
