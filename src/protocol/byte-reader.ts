import { type ErrorCode, StorageError } from '../errors/storage-error.ts'

/** Made when the first text comes; kept, since a list may bring thousands of texts. */
let utf8: TextDecoder | undefined

/** Below this many bytes a loop is faster than a view and a call. */
const SHORT_COPY_BYTES = 32

/** Wire integers longer than this many varint bytes do not fit in 64 bits. */
const VARINT_BYTES = 10

/**
 * Walks once through the bytes of a packet, little-endian. Every read checks what remains first; whatever does not fit is `MALFORMED`
 * with the packet and the position in the context. Nothing is copied: byte ranges are views, as long-lived as the packet.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #packet: string
  #at: number

  /** `packet` is the name for errors; reading starts behind the command byte unless told otherwise. */
  constructor(bytes: Uint8Array, packet: string, start = 1) {
    this.#bytes = bytes
    this.#packet = packet
    this.#at = start
    if (start > bytes.length) throw this.error(`has no byte ${start - 1}`)
  }

  get remaining(): number {
    return this.#bytes.length - this.#at
  }

  u8(): number {
    return this.#bytes[this.#take(1)]!
  }

  u16(): number {
    const at = this.#take(2)
    return this.#bytes[at]! | (this.#bytes[at + 1]! << 8)
  }

  u32(): number {
    const bytes = this.#bytes
    const at = this.#take(4)
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  }

  /** A signed 32-bit number that is never negative. */
  u31(): number {
    const value = this.u32()
    if (value > 0x7fffffff) throw this.error('has a negative length')
    return value
  }

  /** A 64-bit number, signed or not, that must be one of 0..2^53 - 1. */
  u53(): number {
    const low = this.u32()
    const high = this.u32()
    if (high > 0x1fffff) throw this.error('has a number that is negative or above 2^53 - 1')
    return high * 0x1_0000_0000 + low
  }

  u64(): bigint {
    const low = this.u32()
    const high = this.u32()
    return (BigInt(high) << 32n) | BigInt(low)
  }

  /** An unsigned LEB128 number up to 2^53 - 1. */
  varint(): number {
    let value = 0
    let scale = 1
    for (let length = 0; length < VARINT_BYTES; length++) {
      const byte = this.u8()
      // Past 2^53 the sum is rounded, but never back below.
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw this.error('has a varint above 2^53 - 1')
        return value
      }
      scale *= 128
    }
    throw this.error('has a varint that does not end')
  }

  /** A 32-bit count of items that follow, of at least `itemBytes` each. Safe to allocate for: they are there, and no more than `limit`. */
  count(itemBytes: number, limit: number): number {
    const count = this.u32()
    if (count * itemBytes > this.remaining) throw this.error(`says ${count} items follow`)
    if (count > limit) throw this.error(`has ${count} items, more than ${limit}`, 'LIMIT_EXCEEDED')
    return count
  }

  /** The next `length` bytes as a view. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length)
    return this.#bytes.subarray(at, at + length)
  }

  /** Copies the next `length` bytes to `target` at `at`, where there is room. */
  copyTo(target: Uint8Array, at: number, length: number): void {
    const from = this.#take(length)
    const bytes = this.#bytes
    if (length >= SHORT_COPY_BYTES) target.set(bytes.subarray(from, from + length), at)
    else for (let index = 0; index < length; index++) target[at + index] = bytes[from + index]!
  }

  /** Passes over the next `length` bytes. */
  skip(length: number): void {
    this.#take(length)
  }

  /** All bytes that are left, as a view. */
  rest(): Uint8Array {
    return this.bytes(this.remaining)
  }

  /** The next `length` bytes as UTF-8, at most `limit`. */
  text(length: number, limit: number): string {
    const bytes = this.bytes(length)
    if (length > limit) throw this.error(`has a text of ${length} bytes, more than ${limit}`, 'LIMIT_EXCEEDED')
    try {
      utf8 ??= new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
      return utf8.decode(bytes)
    } catch (cause) {
      throw this.error('has a text that is not UTF-8', 'MALFORMED', cause)
    }
  }

  /** Refuses bytes behind the last field. */
  end(): void {
    if (this.remaining > 0) throw this.error(`has ${this.remaining} bytes too many`)
  }

  /** The error of this packet at this place, to be thrown; the sentence goes on after the packet's name. */
  error(problem: string, code: ErrorCode = 'MALFORMED', cause?: unknown): StorageError {
    const context = { packet: this.#packet, at: this.#at, bytes: this.#bytes.length }
    return new StorageError(code, `The packet ${this.#packet} ${problem}, at byte ${this.#at}.`, { cause, context })
  }

  /** Refuses the packet unless `length` more bytes are there. */
  require(length: number): void {
    if (length > this.remaining) throw this.error(`ends ${length - this.remaining} bytes early`)
  }

  #take(length: number): number {
    this.require(length)
    const at = this.#at
    this.#at = at + length
    return at
  }
}
