import { assert } from '../errors/assert.ts'
import { StorageError } from '../errors/storage-error.ts'
import { FRAME_HEADER_BYTES, type Frame } from './frame.ts'
import { FIRST_PAYLOAD_BYTES, LARGEST_PAYLOAD_BYTES, PAYLOAD_GROWTH } from './limits.ts'
import type { PayloadPool } from './payload-pool.ts'

/** What the decoder does: collects a header, collects a payload, hands a frame out, or has met an error and reads no more. */
export type FrameDecoderState = 'header' | 'payload' | 'delivery' | 'failed'

const NOTHING = new Uint8Array(0)

/**
 * Finds the frames in a stream of bytes that comes in slices cut anywhere. A payload that lies within one slice is handed out as a view of
 * it; one that is cut is put together once, in a buffer that grows with what has come and not with what was promised.
 */
export class FrameDecoder {
  readonly #limit: number
  readonly #pool: PayloadPool | undefined
  #state: FrameDecoderState = 'header'
  #failure: unknown
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES)
  #headerBytes = 0
  #dev = 0
  #id = 0
  #length = 0
  #buffer: Uint8Array = NOTHING
  #filled = 0

  /**
   * `limit` is the largest payload in bytes that was agreed, `LARGEST_PAYLOAD_BYTES` before anything was. Payloads that come in pieces are put
   * together in buffers of `pool`, to be given back by whoever has handled them; without one, in fresh ones.
   */
  constructor(limit = LARGEST_PAYLOAD_BYTES, pool?: PayloadPool) {
    this.#limit = limit
    this.#pool = pool
  }

  get state(): FrameDecoderState {
    return this.#state
  }

  /**
   * Reads a slice and calls `onFrame` for each frame that ends in it, in order, before it returns; what is left over is copied.
   * A payload is valid as long as the slice is: the decoder never writes to it again and keeps no view.
   * An error, thrown here or by `onFrame`, ends the decoder: the rest of the slice is not read and every later call throws it again.
   * @throws StorageError `MALFORMED` for an empty payload, `LIMIT_EXCEEDED` for one above the limit.
   */
  push(slice: Uint8Array, onFrame: (frame: Frame) => void): void {
    assert(this.#state !== 'delivery', 'a frame is handled before the next slice is read')
    if (this.#state === 'failed') throw this.#failure
    try {
      let at = 0
      while (at < slice.length)
        at = this.#state === 'header' ? this.#readHeader(slice, at, onFrame) : this.#readPayload(slice, at, onFrame)
    } catch (error) {
      this.#state = 'failed'
      this.#failure = error
      this.#buffer = NOTHING
      throw error
    }
  }

  /** To be called when the stream has ended. @throws StorageError `MALFORMED` when it ended within a frame. */
  end(): void {
    if (this.#state === 'failed') throw this.#failure
    const came = this.#state === 'header' ? this.#headerBytes : this.#filled
    if (this.#state === 'header' && came === 0) return
    const context = { came, expected: this.#state === 'header' ? FRAME_HEADER_BYTES : this.#length }
    throw new StorageError('MALFORMED', `The stream ended within the ${this.#state} of a frame.`, { context })
  }

  /** Reads a header from `at`, and the payload too if all of it is there; returns where it stopped. */
  #readHeader(slice: Uint8Array, at: number, onFrame: (frame: Frame) => void): number {
    let header = slice
    let start = at
    let end = at + FRAME_HEADER_BYTES
    if (this.#headerBytes > 0 || end > slice.length) {
      end = Math.min(slice.length, at + FRAME_HEADER_BYTES - this.#headerBytes)
      this.#header.set(slice.subarray(at, end), this.#headerBytes)
      this.#headerBytes += end - at
      if (this.#headerBytes < FRAME_HEADER_BYTES) return end
      header = this.#header
      start = 0
      this.#headerBytes = 0
    }
    this.#dev = u32(header, start)
    this.#id = u32(header, start + 4)
    this.#length = this.#checkLength(u32(header, start + 8))
    if (this.#length <= slice.length - end) {
      this.#deliver(slice.subarray(end, end + this.#length), onFrame)
      return end + this.#length
    }
    this.#state = 'payload'
    this.#filled = 0
    const length = Math.min(this.#length, Math.max(FIRST_PAYLOAD_BYTES, slice.length - end))
    this.#buffer = this.#pool?.take(length) ?? new Uint8Array(length)
    return end
  }

  /** Adds bytes from `at` to the payload that has begun; returns where it stopped. */
  #readPayload(slice: Uint8Array, at: number, onFrame: (frame: Frame) => void): number {
    const end = Math.min(slice.length, at + this.#length - this.#filled)
    const filled = this.#filled + end - at
    if (filled > this.#buffer.length) {
      const grown = new Uint8Array(Math.min(this.#length, Math.max(filled, this.#buffer.length * PAYLOAD_GROWTH)))
      grown.set(this.#buffer.subarray(0, this.#filled))
      this.#buffer = grown
    }
    this.#buffer.set(slice.subarray(at, end), this.#filled)
    this.#filled = filled
    if (filled === this.#length) {
      const payload = this.#buffer
      this.#buffer = NOTHING
      this.#deliver(payload, onFrame)
    }
    return end
  }

  #deliver(payload: Uint8Array, onFrame: (frame: Frame) => void): void {
    this.#state = 'delivery'
    onFrame({ dev: this.#dev, id: this.#id, payload })
    this.#state = 'header'
  }

  #checkLength(length: number): number {
    if (length >= 1 && length <= this.#limit) return length
    const context = { dev: this.#dev, id: this.#id, length, limit: this.#limit }
    throw length === 0
      ? new StorageError('MALFORMED', 'A frame has no payload.', { context })
      : new StorageError('LIMIT_EXCEEDED', `A frame has ${length} bytes, more than ${this.#limit}.`, { context })
  }
}

function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}
