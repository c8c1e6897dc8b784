import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { ByteWriter } from './byte-writer.ts'
import { guardedBytes, headCheck } from './head-check.ts'
import { LARGEST_PAYLOAD_BYTES } from './limits.ts'
import type { EncodedPacket } from './packets/encoded-packet.ts'

/** `dev u32 | id u32 | len u32`, little-endian. */
export const FRAME_HEADER_BYTES = 12

/** The same, and two checksums: of these twelve bytes, and of the head of the packet behind them. */
export const GUARDED_HEADER_BYTES = 20

/** What the mark has for a device and for a number. */
export const MARK_WORD = 0xfffffffe

/** Stands before the first guarded frame of a lane: a header that no frame has, of a packet without a byte. Shared. */
export const GUARD_MARK: Uint8Array = new ByteWriter(FRAME_HEADER_BYTES).u32(MARK_WORD).u32(MARK_WORD).u32(0).done()

/** Which device a packet is about, and which request it is or answers. */
export interface FrameAddress {
  /** Device number, 0..2^32 - 1. */
  readonly dev: number
  /** Transaction number, 0..2^32 - 1; an answer carries that of its request. */
  readonly id: number
}

/** A frame as it arrived. */
export interface Frame extends FrameAddress {
  /** The packet, command byte first; never empty. Who may keep it, and for how long, is up to `FrameDecoder.push`. */
  readonly payload: Uint8Array
}

/** Heads up to this size are copied behind the frame's header: that is cheaper than one more piece for the channel. */
const SMALL_HEAD_BYTES = 256

/**
 * A packet framed for a stream of bytes, as pieces to be sent one after the other.
 *
 * ```
 * 0     4     8     12
 * | dev | id  | len | payload, len bytes, its first the command
 *
 * guarded:
 * 0     4     8     12             16                   20
 * | dev | id  | len | check of 0..12 | check of the payload | payload
 * ```
 * Checks are CRC-32C; of a payload that holds data only the first bytes are checked, see `guardedBytes`. The data of the packet is not copied: the last piece is the view that the packet borrowed.
 * @throws InvalidArgumentError for a payload that no peer would accept.
 */
export function encodeFrame({ dev, id }: FrameAddress, packet: EncodedPacket, isGuarded = false): Uint8Array[] {
  const { head, data } = packet
  const length = head.length + (data?.length ?? 0)
  if (length < 1 || length > LARGEST_PAYLOAD_BYTES) {
    throw new InvalidArgumentError('payload', `1 to ${LARGEST_PAYLOAD_BYTES} bytes`, length)
  }
  const isSmall = head.length <= SMALL_HEAD_BYTES
  const header = isGuarded ? GUARDED_HEADER_BYTES : FRAME_HEADER_BYTES
  const writer = new ByteWriter(header + (isSmall ? head.length : 0)).u32(dev).u32(id).u32(length)
  if (isGuarded) writer.u32(headCheck(writer.written())).u32(packetCheck(packet, length))
  const pieces = isSmall ? [writer.bytes(head).done()] : [writer.done(), head]
  if (data !== undefined && data.length > 0) pieces.push(data)
  return pieces
}

/** The checksum of what is guarded of a packet of so many bytes. */
function packetCheck({ head, data }: EncodedPacket, length: number): number {
  const guarded = guardedBytes(head[0]!, length)
  const check = headCheck(head, 0, Math.min(guarded, head.length))
  return data && guarded > head.length ? headCheck(data, 0, guarded - head.length, check) : check
}
