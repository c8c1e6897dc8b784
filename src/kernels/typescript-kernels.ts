import { Allocator, type GrowableMemory } from './allocator.ts'
import type { Kernels } from './kernels.ts'

/** Bits of a word. */
const WORD_BITS = 32

/**
 * The twin: what every kernel does, in TypeScript over an `ArrayBuffer`. It is the readable specification of the WASM builds, and it
 * serves pages whose content security policy forbids WASM.
 *
 * As with WASM memory, growing replaces the buffer and detaches the old one, so a view that was kept too long fails at once.
 */
export class TypeScriptKernels implements Kernels, GrowableMemory {
  readonly build = 'typescript'
  buffer: ArrayBuffer
  #words: Uint32Array
  #bytes: Uint8Array
  readonly #allocator: Allocator

  constructor(initialBytes: number, maximumBytes: number) {
    this.buffer = new ArrayBuffer(initialBytes)
    this.#words = new Uint32Array(this.buffer)
    this.#bytes = new Uint8Array(this.buffer)
    this.#allocator = new Allocator(this, maximumBytes)
  }

  allocate(bytes: number): number {
    return this.#allocator.allocate(bytes)
  }

  free(pointer: number, bytes: number): void {
    this.#allocator.free(pointer, bytes)
  }

  /** For the allocator: replaces the buffer with a longer one. */
  grow(bytes: number): boolean {
    let longer: ArrayBuffer
    try {
      longer = new ArrayBuffer(bytes)
    } catch (error) {
      if (error instanceof RangeError) return false
      throw error
    }
    const moved = structuredClone(this.buffer, { transfer: [this.buffer] })
    this.buffer = longer
    this.#words = new Uint32Array(longer)
    this.#bytes = new Uint8Array(longer)
    this.#bytes.set(new Uint8Array(moved))
    return true
  }

  bitSetRange(field: number, start: number, end: number): void {
    if (start >= end) return
    const words = this.#words
    const first = wordOf(field, start)
    const last = wordOf(field, end - 1)
    if (first === last) {
      words[first]! |= maskFrom(start) & maskTo(end)
      return
    }
    words[first]! |= maskFrom(start)
    words.fill(0xffffffff, first + 1, last)
    words[last]! |= maskTo(end)
  }

  bitClearRange(field: number, start: number, end: number): void {
    if (start >= end) return
    const words = this.#words
    const first = wordOf(field, start)
    const last = wordOf(field, end - 1)
    if (first === last) {
      words[first]! &= ~(maskFrom(start) & maskTo(end))
      return
    }
    words[first]! &= ~maskFrom(start)
    words.fill(0, first + 1, last)
    words[last]! &= ~maskTo(end)
  }

  bitCount(field: number, start: number, end: number): number {
    if (start >= end) return 0
    const words = this.#words
    const first = wordOf(field, start)
    const last = wordOf(field, end - 1)
    if (first === last) return populationCount(words[first]! & maskFrom(start) & maskTo(end))
    let count = populationCount(words[first]! & maskFrom(start)) + populationCount(words[last]! & maskTo(end))
    for (let index = first + 1; index < last; index++) count += populationCount(words[index]!)
    return count
  }

  bitNextSet(field: number, from: number, end: number): number {
    return this.#next(field, from, end, 0)
  }

  bitNextClear(field: number, from: number, end: number): number {
    return this.#next(field, from, end, -1)
  }

  /** The first bit that is set once the words are xored with `flip`: 0 looks for set bits, -1 for clear ones. */
  #next(field: number, from: number, end: number, flip: number): number {
    if (from >= end) return end
    const words = this.#words
    const last = wordOf(field, end - 1)
    let index = wordOf(field, from)
    let word = (words[index]! ^ flip) & maskFrom(from)
    while (word === 0) {
      if (index === last) return end
      word = words[++index]! ^ flip
    }
    return Math.min((index - wordOf(field, 0)) * WORD_BITS + trailingZeros(word), end)
  }

  bitTakeNextSet(field: number, from: number, end: number): number {
    const found = this.#next(field, from, end, 0)
    if (found < end) this.#words[wordOf(field, found)]! &= ~(1 << found)
    return found
  }

  bitAnd(target: number, other: number, bytes: number): void {
    const words = this.#words
    const distance = (other - target) / 4
    for (let index = target / 4, end = (target + bytes) / 4; index < end; index++)
      words[index]! &= words[index + distance]!
  }

  bitOr(target: number, other: number, bytes: number): void {
    const words = this.#words
    const distance = (other - target) / 4
    for (let index = target / 4, end = (target + bytes) / 4; index < end; index++)
      words[index]! |= words[index + distance]!
  }

  bitAndNot(target: number, other: number, bytes: number): void {
    const words = this.#words
    const distance = (other - target) / 4
    for (let index = target / 4, end = (target + bytes) / 4; index < end; index++)
      words[index]! &= ~words[index + distance]!
  }

  bitIntersects(a: number, b: number, bytes: number): boolean {
    const words = this.#words
    const distance = (b - a) / 4
    for (let index = a / 4, end = (a + bytes) / 4; index < end; index++) {
      if ((words[index]! & words[index + distance]!) !== 0) return true
    }
    return false
  }

  bitCollect(field: number, from: number, end: number, out: number, max: number): number {
    let count = 0
    for (let bit = from; count < max; bit++) {
      bit = this.#next(field, bit, end, 0)
      if (bit === end) break
      this.#words[out / 4 + count++] = bit
    }
    return count
  }

  copy(target: number, source: number, length: number): void {
    this.#bytes.copyWithin(target, source, source + length)
  }

  equal(a: number, b: number, length: number): boolean {
    return this.firstDifference(a, b, length) === length
  }

  isZero(pointer: number, length: number): boolean {
    return this.zeroRun(pointer, length) === length
  }

  firstDifference(a: number, b: number, length: number): number {
    const bytes = this.#bytes
    let offset = 0
    while (offset < length && (a + offset) % 4 !== 0 && bytes[a + offset] === bytes[b + offset]) offset++
    // Words are compared where both sides are aligned alike; the bytes after the last equal word tell the exact place.
    if ((a + offset) % 4 === 0 && (b + offset) % 4 === 0) {
      const words = this.#words
      const distance = (b - a) / 4
      let word = (a + offset) / 4
      const end = word + Math.floor((length - offset) / 4)
      while (word < end && words[word] === words[word + distance]) word++
      offset = word * 4 - a
    }
    while (offset < length && bytes[a + offset] === bytes[b + offset]) offset++
    return offset
  }

  zeroRun(pointer: number, length: number): number {
    const bytes = this.#bytes
    let offset = 0
    while (offset < length && (pointer + offset) % 4 !== 0 && bytes[pointer + offset] === 0) offset++
    if ((pointer + offset) % 4 === 0) {
      const words = this.#words
      let word = (pointer + offset) / 4
      const end = word + Math.floor((length - offset) / 4)
      while (word < end && words[word] === 0) word++
      offset = word * 4 - pointer
    }
    while (offset < length && bytes[pointer + offset] === 0) offset++
    return offset
  }

  changedBlocks(a: number, b: number, length: number, blockSize: number, out: number, max: number): number {
    let count = 0
    for (let offset = 0; offset < length && count < max; offset += blockSize) {
      if (!this.equal(a + offset, b + offset, Math.min(blockSize, length - offset))) {
        this.#words[out / 4 + count++] = offset / blockSize
      }
    }
    return count
  }

  xor(target: number, source: number, length: number): void {
    const bytes = this.#bytes
    for (let offset = 0; offset < length; offset++) bytes[target + offset]! ^= bytes[source + offset]!
  }
}

/** Index, in the whole memory, of the word that holds a bit of a field. */
function wordOf(field: number, bit: number): number {
  return field / 4 + (bit >>> 5)
}

/** The bits of a word from `start & 31` on. */
function maskFrom(start: number): number {
  return -1 << start
}

/** The bits of a word below `end`, where `end & 31` of 0 means all of them. */
function maskTo(end: number): number {
  return -1 >>> -end
}

function trailingZeros(word: number): number {
  return 31 - Math.clz32(word & -word)
}

/** Set bits of a word: pairs, nibbles and bytes are added side by side, the bytes by a multiplication. */
function populationCount(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
