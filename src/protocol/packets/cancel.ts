import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { COMMAND } from './commands.ts'
import { commandOnly, type EncodedPacket, headOnly } from './encoded-packet.ts'

/** The hand-over that was prepared does not take place; the source runs on. Answered. */
export interface Cancel {
  readonly kind: 'cancel'
  /** As in `prepare`. */
  readonly epoch: number
}

/** The destination goes on receiving. */
export interface CancelResponse {
  readonly kind: 'cancel-response'
}

/** `4c | epoch u64` */
export function encodeCancel({ epoch }: Cancel): EncodedPacket {
  return headOnly(new ByteWriter(9).u8(COMMAND.cancel).u53(epoch).done())
}

export function decodeCancel(payload: Uint8Array): Cancel {
  const reader = new ByteReader(payload, 'cancel')
  const epoch = reader.u53()
  reader.end()
  return { kind: 'cancel', epoch }
}

/** `cc` */
export function encodeCancelResponse(): EncodedPacket {
  return commandOnly(COMMAND.cancelResponse)
}

export function decodeCancelResponse(payload: Uint8Array): CancelResponse {
  new ByteReader(payload, 'cancel-response').end()
  return { kind: 'cancel-response' }
}
