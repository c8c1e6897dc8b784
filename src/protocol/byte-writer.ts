import { assert } from '../errors/assert.ts'
import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'

/** Below this many bytes a loop is faster than a view and a call. */
const SHORT_COPY_BYTES = 32

/**
 * Fills a buffer of a size known beforehand, little-endian: size first, then the fields, then {@link done}. A number that its field
 * cannot hold is an `InvalidArgumentError`, never cut.
 */
export class ByteWriter {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(size: number) {
    this.#bytes = new Uint8Array(size)
  }

  u8(value: number): this {
    this.#bytes[this.#at++] = checked(value, 0xff)
    return this
  }

  u16(value: number): this {
    checked(value, 0xffff)
    return this.u8(value & 0xff).u8(value >>> 8)
  }

  u32(value: number): this {
    checked(value, 0xffffffff)
    const bytes = this.#bytes
    const at = this.#at
    bytes[at] = value
    bytes[at + 1] = value >>> 8
    bytes[at + 2] = value >>> 16
    bytes[at + 3] = value >>> 24
    this.#at = at + 4
    return this
  }

  /** A signed 32-bit number that is never negative. */
  u31(value: number): this {
    return this.u32(checked(value, 0x7fffffff))
  }

  /** A 64-bit number of 0..2^53 - 1. */
  u53(value: number): this {
    checked(value, Number.MAX_SAFE_INTEGER)
    return this.u32(value % 0x1_0000_0000).u32(Math.floor(value / 0x1_0000_0000))
  }

  u64(value: bigint): this {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) {
      throw new InvalidArgumentError('packet field', 'a whole number of 64 bits', value)
    }
    return this.u32(Number(value & 0xffff_ffffn)).u32(Number(value >> 32n))
  }

  /** Unsigned LEB128: 7 bits a byte, lowest first, the top bit says that more follow. */
  varint(value: number): this {
    let rest = checked(value, Number.MAX_SAFE_INTEGER)
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#at++] = rest
    return this
  }

  /** Copies `bytes`. */
  bytes(bytes: Uint8Array): this {
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
    return this
  }

  /** Copies `bytes` from `start` to `end`. */
  part(bytes: Uint8Array, start: number, end: number): this {
    if (end - start >= SHORT_COPY_BYTES) return this.bytes(bytes.subarray(start, end))
    const target = this.#bytes
    let at = this.#at
    for (let index = start; index < end; index++) target[at++] = bytes[index]!
    this.#at = at
    return this
  }

  /** What has been written so far, to look at only. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  /** The buffer, which must be exactly full. */
  done(): Uint8Array {
    assert(this.#at === this.#bytes.length, `a packet of ${this.#bytes.length} bytes is written to byte ${this.#at}`)
    return this.#bytes
  }
}

/** Bytes that {@link ByteWriter.varint} takes for `value`. */
export function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}

function checked(value: number, largest: number): number {
  if (!Number.isSafeInteger(value) || value < 0 || value > largest) {
    throw new InvalidArgumentError('packet field', `a whole number from 0 to ${largest}`, value)
  }
  return value
}
