import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { headCheck } from '../head-check.ts'
import { COMMAND } from './commands.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'

/** Bytes of a nonce: nobody meets one twice. */
export const NONCE_BYTES = 16

/** Bytes of a hello without its checksum: what a proof is made over. */
export const HELLO_BYTES = 30 + NONCE_BYTES

/** The first packet of dialect `blockferry/1` in each direction, on device 0, before anything else. Never answered. */
export interface Hello {
  readonly kind: 'hello'
  /** Newest version this side speaks; both go on with the older one. */
  readonly version: number
  /** Bits of what this side cannot do without. */
  readonly required: number
  /** Bits of what this side can do, the required ones included. */
  readonly offered: number
  /** Largest payload this side takes, in bytes. */
  readonly largestPayload: number
  /** Bytes of requests that this side lets the peer have unanswered. */
  readonly window: number
  /** Whether this side insists on the proof of a shared secret. */
  readonly hasSecret: boolean
  /** `NONCE_BYTES` random bytes; decoded: a view. */
  readonly nonce: Uint8Array
}

/** `blockferry`: who connects something else by mistake is told so at once. */
const MAGIC = new TextEncoder().encode('blockferry')

/**
 * ```
 * 0    1            11            13             17            21                  25         29            30
 * | 40 | blockferry | version u16 | required u32 | offered u32 | largest payload u32 | window u32 | secret u8 | nonce 16 |
 * 46                      50
 * | CRC-32C of 0..46 u32 |
 * ```
 */
export function encodeHello(hello: Hello): EncodedPacket {
  const writer = new ByteWriter(HELLO_BYTES + 4).u8(COMMAND.hello).bytes(MAGIC).u16(hello.version)
  writer.u32(hello.required).u32(hello.offered).u32(hello.largestPayload).u32(hello.window)
  writer.u8(hello.hasSecret ? 1 : 0).bytes(hello.nonce)
  return headOnly(writer.u32(headCheck(writer.written())).done())
}

/** Early peers of this version end with the nonce. Bytes behind the checksum belong to a later one and are skipped. */
export function decodeHello(payload: Uint8Array): Hello {
  const reader = new ByteReader(payload, 'hello')
  const magic = reader.bytes(MAGIC.length)
  if (magic.some((byte, index) => byte !== MAGIC[index])) throw reader.error('does not begin with "blockferry"')
  const version = reader.u16()
  const required = reader.u32()
  const offered = reader.u32()
  const largestPayload = reader.u32()
  const window = reader.u32()
  const hasSecret = reader.u8() !== 0
  const nonce = reader.bytes(NONCE_BYTES)
  if (reader.remaining >= 4 && reader.u32() !== headCheck(payload, 0, HELLO_BYTES)) throw reader.error('was damaged')
  return { kind: 'hello', version, required, offered, largestPayload, window, hasSecret, nonce }
}
