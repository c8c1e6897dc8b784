import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'
import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { COMMAND } from './commands.ts'
import { commandOnly, type EncodedPacket, headOnly } from './encoded-packet.ts'

/** Events without content; the index is the byte on the wire. */
export const PLAIN_EVENTS = ['pre-lock', 'post-lock', 'pre-unlock', 'post-unlock', 'completed'] as const

/** One of {@link PLAIN_EVENTS}. */
export type PlainEvent = (typeof PLAIN_EVENTS)[number]

/** The byte that says an event of the application follows. */
const CUSTOM = 5

/** Something has happened at the source; answered when the destination has dealt with it. */
export type Event =
  | { readonly kind: 'event'; readonly type: PlainEvent }
  | {
      readonly kind: 'event'
      readonly type: 'custom'
      /** 0..255. */
      readonly customType: number
      /** Decoded: a view of the payload. */
      readonly payload: Uint8Array
    }

/** The event was dealt with. */
export interface EventResponse {
  readonly kind: 'event-response'
}

/**
 * ```
 * 0    1         2                     0    1    2                3
 * | 07 | type u8 |                 or  | 07 | 05 | custom type u8 | payload to the end
 * ```
 */
export function encodeEvent(packet: Event): EncodedPacket {
  if (packet.type === 'custom') {
    const head = new ByteWriter(3).u8(COMMAND.event).u8(CUSTOM).u8(packet.customType).done()
    return { head, data: packet.payload }
  }
  const type = PLAIN_EVENTS.indexOf(packet.type)
  if (type < 0) throw new InvalidArgumentError('type', PLAIN_EVENTS.join(', '), packet.type)
  return headOnly(new ByteWriter(2).u8(COMMAND.event).u8(type).done())
}

export function decodeEvent(payload: Uint8Array): Event {
  const reader = new ByteReader(payload, 'event')
  const type = reader.u8()
  if (type === CUSTOM) return { kind: 'event', type: 'custom', customType: reader.u8(), payload: reader.rest() }
  const plain = PLAIN_EVENTS[type]
  if (plain === undefined) throw reader.error(`has a type ${type}, which means nothing`)
  reader.end()
  return { kind: 'event', type: plain }
}

/** `85` */
export function encodeEventResponse(): EncodedPacket {
  return commandOnly(COMMAND.eventResponse)
}

export function decodeEventResponse(payload: Uint8Array): EventResponse {
  new ByteReader(payload, 'event-response').end()
  return { kind: 'event-response' }
}
