import { checkInteger } from '../../errors/invalid-argument-error.ts'
import { COMMAND } from './commands.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'

/** Bytes that mean nothing, in front of data that is copied faster from where it then begins. Device 0, number 0; never answered. */
export interface Padding {
  readonly kind: 'padding'
  /** Bytes behind the command. */
  readonly bytes: number
}

/**
 * ```
 * 0    1
 * | 61 | any bytes; ours are zero |
 * ```
 */
export function encodePadding({ bytes }: Padding): EncodedPacket {
  const head = new Uint8Array(1 + checkInteger('bytes', bytes))
  head[0] = COMMAND.padding
  return headOnly(head)
}

export function decodePadding(payload: Uint8Array): Padding {
  return { kind: 'padding', bytes: payload.length - 1 }
}
