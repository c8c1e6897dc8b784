import { assert } from '../errors/assert.ts'
import { StorageError } from '../errors/storage-error.ts'
import { FRAME_HEADER_BYTES, type Frame, GUARDED_HEADER_BYTES, MARK_WORD } from './frame.ts'
import { guardedBytes, headCheck } from './head-check.ts'
import {
  ALIGNMENT_BYTES,
  FIRST_PAYLOAD_BYTES,
  GATHERED_FRAMES_BYTES,
  LARGEST_PAYLOAD_BYTES,
  PAYLOAD_GROWTH,
  READ_BEHIND_BYTES,
} from './limits.ts'
import type { PayloadPool } from './payload-pool.ts'

/** What the decoder does: collects a header, collects a payload, hands a frame out, or has met an error and reads no more. */
export type FrameDecoderState = 'header' | 'payload' | 'delivery' | 'failed'

const NOTHING = new Uint8Array(0)

/**
 * Finds the frames in a stream of bytes, which comes in slices cut anywhere ({@link push}) or is read to where the decoder wants it
 * ({@link room}, {@link filled}).
 *
 * A payload that lies within one slice is handed out as a view of it; one that is cut is put together once, in a buffer that grows with what
 * has come and not with what was promised. Of what is read to the decoder's room, long payloads are not copied: each is read into a buffer of
 * its own, with the next header behind it.
 */
export class FrameDecoder {
  readonly #limit: number
  readonly #pool: PayloadPool | undefined
  #state: FrameDecoderState = 'header'
  #failure: unknown
  /** Whether heads are guarded: never, maybe from a mark on, from here on, or now. */
  #guard: 'none' | 'maybe' | 'due' | 'guarded'
  readonly #header = new Uint8Array(GUARDED_HEADER_BYTES)
  #headerBytes = 0
  #dev = 0
  #id = 0
  #length = 0
  /** What the checksum of the packet's head has to be. */
  #check = 0
  /** Has room behind the payload, too. */
  #buffer: Uint8Array = NOTHING
  #filled = 0
  /** Where short frames are read to, several at once; made when it is asked for. */
  #gathered: Uint8Array | undefined

  /**
   * `limit` is the largest payload in bytes that was agreed, `LARGEST_PAYLOAD_BYTES` before anything was. Payloads that come in pieces are put
   * together in buffers of `pool`, to be given back by whoever has handled them; without one, in fresh ones. `takesMark`: whether heads are guarded
   * once a mark has come; without it a mark is refused.
   */
  constructor(limit = LARGEST_PAYLOAD_BYTES, pool?: PayloadPool, { takesMark = false } = {}) {
    this.#limit = limit
    this.#pool = pool
    this.#guard = takesMark ? 'maybe' : 'none'
  }

  get state(): FrameDecoderState {
    return this.#state
  }

  /** From here on every head is guarded: what comes next is the mark, unless that has come. */
  expectGuard(): void {
    if (this.#guard !== 'guarded') this.#guard = 'due'
  }

  /**
   * Reads a slice and calls `onFrame` for each frame that ends in it, in order, before it returns; what is left over is copied.
   * A payload is valid as long as the slice is: the decoder never writes to it again and keeps no view.
   * An error, thrown here or by `onFrame`, ends the decoder: the rest of the slice is not read and every later call throws it again.
   * @throws StorageError `MALFORMED` for an empty payload or a head that was damaged, `LIMIT_EXCEEDED` for a payload above the limit.
   */
  push(slice: Uint8Array, onFrame: (frame: Frame) => void): void {
    this.#read(() => this.#readSlice(slice, onFrame))
  }

  /** Where the next bytes of the stream should be put, to be told by {@link filled}; at least one. */
  room(): Uint8Array {
    if (this.#isDirect) {
      if (this.#filled === this.#buffer.length) this.#grow(this.#filled + 1)
      return this.#buffer.subarray(this.#filled)
    }
    this.#gathered ??= new Uint8Array(GATHERED_FRAMES_BYTES)
    return this.#gathered
  }

  /** So many bytes were put to the start of the last {@link room}. Otherwise as {@link push}; payloads are valid as long as wanted. */
  filled(bytes: number, onFrame: (frame: Frame) => void): void {
    this.#read(() => {
      if (this.#isDirect) this.#readInPlace(bytes, onFrame)
      // The room is used again, and payloads are not to be written to: a short one within it is copied.
      else
        this.#readSlice(this.#gathered!.subarray(0, bytes), (frame) =>
          onFrame(
            frame.payload.buffer === this.#gathered!.buffer ? { ...frame, payload: frame.payload.slice() } : frame,
          ),
        )
    })
  }

  /** To be called when the stream has ended. @throws StorageError `PEER_LOST` when it ended within a frame: who is killed sends no more. */
  end(): void {
    if (this.#state === 'failed') throw this.#failure
    const came = this.#state === 'header' ? this.#headerBytes : this.#filled
    if (this.#state === 'header' && came === 0) return
    const context = { came, expected: this.#state === 'header' ? this.#headerSize : this.#length }
    throw new StorageError('PEER_LOST', `The stream ended within the ${this.#state} of a frame.`, { context })
  }

  /** Whether a long payload has begun, which is read to where it stays. */
  get #isDirect(): boolean {
    return this.#state === 'payload' && this.#length >= GATHERED_FRAMES_BYTES
  }

  #read(read: () => void): void {
    assert(this.#state !== 'delivery', 'a frame is handled before the next slice is read')
    if (this.#state === 'failed') throw this.#failure
    try {
      read()
    } catch (error) {
      this.#state = 'failed'
      this.#failure = error
      this.#buffer = NOTHING
      throw error
    }
  }

  #readSlice(slice: Uint8Array, onFrame: (frame: Frame) => void): void {
    let at = 0
    while (at < slice.length)
      at = this.#state === 'header' ? this.#readHeader(slice, at, onFrame) : this.#readPayload(slice, at, onFrame)
  }

  /** Of bytes that lie in the payload's buffer already, and maybe in the room for a header behind it. */
  #readInPlace(bytes: number, onFrame: (frame: Frame) => void): void {
    this.#filled += bytes
    if (this.#filled < this.#length) return
    const payload = this.#buffer.subarray(0, this.#length)
    // The buffer is used again as soon as this payload has been handled, whoever still looks at one behind it.
    const behind = this.#buffer.slice(this.#length, this.#filled)
    this.#deliver(payload, onFrame)
    this.#readSlice(behind, onFrame)
  }

  /** Reads a header from `at`, and the payload too if all of it is there; returns where it stopped. */
  #readHeader(slice: Uint8Array, at: number, onFrame: (frame: Frame) => void): number {
    let header = slice
    let start = at
    const size = this.#headerSize
    let end = at + size
    if (this.#headerBytes > 0 || end > slice.length) {
      end = Math.min(slice.length, at + size - this.#headerBytes)
      this.#header.set(slice.subarray(at, end), this.#headerBytes)
      this.#headerBytes += end - at
      if (this.#headerBytes < size) return end
      header = this.#header
      start = 0
      this.#headerBytes = 0
    }
    this.#dev = u32(header, start)
    this.#id = u32(header, start + 4)
    if (this.#guard === 'guarded') this.#checkHeader(header, start)
    else if (this.#guard !== 'none' && this.#isMark(u32(header, start + 8))) return end
    this.#length = this.#checkLength(u32(header, start + 8))
    if (this.#length <= slice.length - end) {
      this.#deliver(slice.subarray(end, end + this.#length), onFrame)
      return end + this.#length
    }
    this.#state = 'payload'
    this.#filled = 0
    this.#buffer = this.#memory(Math.min(this.#length, Math.max(FIRST_PAYLOAD_BYTES, slice.length - end)))
    return end
  }

  /** Room for so much of the payload, and behind it. Data ends its payload, and senders align it: so the end is aligned here, too. */
  #memory(bytes: number): Uint8Array {
    const lead = (ALIGNMENT_BYTES - (this.#length % ALIGNMENT_BYTES)) % ALIGNMENT_BYTES
    const length = lead + bytes + READ_BEHIND_BYTES
    return (this.#pool?.take(length) ?? new Uint8Array(length)).subarray(lead)
  }

  /** Adds bytes from `at` to the payload that has begun; returns where it stopped. */
  #readPayload(slice: Uint8Array, at: number, onFrame: (frame: Frame) => void): number {
    const end = Math.min(slice.length, at + this.#length - this.#filled)
    const filled = this.#filled + end - at
    if (filled > this.#buffer.length) this.#grow(filled)
    this.#buffer.set(slice.subarray(at, end), this.#filled)
    this.#filled = filled
    if (filled === this.#length) {
      this.#deliver(this.#buffer.subarray(0, filled), onFrame)
    }
    return end
  }

  /** A larger buffer, of at least so many bytes. */
  #grow(least: number): void {
    const length = Math.min(this.#length + READ_BEHIND_BYTES, Math.max(least, this.#buffer.length * PAYLOAD_GROWTH))
    const grown = new Uint8Array(length)
    grown.set(this.#buffer.subarray(0, this.#filled))
    this.#buffer = grown
  }

  #deliver(payload: Uint8Array, onFrame: (frame: Frame) => void): void {
    this.#state = 'delivery'
    this.#buffer = NOTHING
    if (this.#guard === 'guarded' && headCheck(payload, 0, guardedBytes(payload[0]!, payload.length)) !== this.#check) {
      throw this.#damaged('The head of a packet was damaged on its way.')
    }
    onFrame({ dev: this.#dev, id: this.#id, payload })
    this.#state = 'header'
  }

  get #headerSize(): number {
    return this.#guard === 'guarded' ? GUARDED_HEADER_BYTES : FRAME_HEADER_BYTES
  }

  /** Before the length is believed: a damaged one would have the stream wait for bytes that nobody sends. */
  #checkHeader(header: Uint8Array, start: number): void {
    const end = start + FRAME_HEADER_BYTES
    if (headCheck(header, start, end) !== u32(header, end)) throw this.#damaged('A frame was damaged on its way.')
    this.#check = u32(header, end + 4)
  }

  /** Whether the header that has been read is the mark. Nothing else looks like one, but for damage. */
  #isMark(length: number): boolean {
    const isMark = this.#dev === MARK_WORD && this.#id === MARK_WORD
    if (isMark && length === 0) this.#guard = 'guarded'
    else if (isMark || this.#guard === 'due') throw this.#damaged('What guards the frames of the peer is missing.')
    return isMark
  }

  #damaged(message: string): StorageError {
    return new StorageError('MALFORMED', message, { context: { dev: this.#dev, id: this.#id } })
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
