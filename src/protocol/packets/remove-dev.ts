import { ByteReader } from '../byte-reader.ts'
import { COMMAND } from './commands.ts'
import { commandOnly, type EncodedPacket } from './encoded-packet.ts'

/** The device of this frame is gone at the source. Never answered. */
export interface RemoveDev {
  readonly kind: 'remove-dev'
}

/** `0a` */
export function encodeRemoveDev(): EncodedPacket {
  return commandOnly(COMMAND.removeDev)
}

export function decodeRemoveDev(payload: Uint8Array): RemoveDev {
  new ByteReader(payload, 'remove-dev').end()
  return { kind: 'remove-dev' }
}
