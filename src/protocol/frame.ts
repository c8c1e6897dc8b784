import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { ByteWriter } from './byte-writer.ts'
import { LARGEST_PAYLOAD_BYTES } from './limits.ts'
import type { EncodedPacket } from './packets/encoded-packet.ts'

/** `dev u32 | id u32 | len u32`, little-endian. */
export const FRAME_HEADER_BYTES = 12

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
 * ```
 * The data of the packet is not copied: the last piece is the view that the packet borrowed.
 * @throws InvalidArgumentError for a payload that no peer would accept.
 */
export function encodeFrame({ dev, id }: FrameAddress, { head, data }: EncodedPacket): Uint8Array[] {
  const length = head.length + (data?.length ?? 0)
  if (length < 1 || length > LARGEST_PAYLOAD_BYTES) {
    throw new InvalidArgumentError('payload', `1 to ${LARGEST_PAYLOAD_BYTES} bytes`, length)
  }
  const isSmall = head.length <= SMALL_HEAD_BYTES
  const writer = new ByteWriter(FRAME_HEADER_BYTES + (isSmall ? head.length : 0)).u32(dev).u32(id).u32(length)
  const pieces = isSmall ? [writer.bytes(head).done()] : [writer.done(), head]
  if (data !== undefined && data.length > 0) pieces.push(data)
  return pieces
}
