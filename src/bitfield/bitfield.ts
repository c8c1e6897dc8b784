import { checkInteger, InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Kernels } from '../kernels/kernels.ts'
import { defaultKernels } from '../kernels/load.ts'
import { SCRATCH_NUMBERS, scratchPointer } from './scratch.ts'

/** The longest field: bit numbers and the length itself are unsigned 32-bit numbers. */
export const LARGEST_BITFIELD = 2 ** 32 - 1

interface Region {
  readonly kernels: Kernels
  readonly pointer: number
  readonly bytes: number
}

let forgotten: FinalizationRegistry<Region> | undefined

/**
 * A set of numbers from 0 to `length - 1`, one bit each, in the memory of some kernels: bit `i` is in 32-bit word `i >> 5` at `i & 31`, bits past
 * the length are zero.
 *
 * Single bits are handled here, on a view of that memory; whole fields by kernels. A field owns its memory: {@link free} gives it back
 * at once, and after that every call throws. A field that is forgotten instead is freed when the garbage collector finds it, which may be late.
 *
 * Two operands must have the same length; they may live in different memories, at the cost of a copy.
 * @throws InvalidArgumentError for a bit number that is negative, a fraction, NaN or past the end.
 */
export class Bitfield {
  readonly length: number
  /** Bytes of memory the field takes: `ceil(length / 128) * 16`. */
  readonly byteLength: number
  readonly kernels: Kernels
  #pointer: number
  /** The memory `#words` is a view of; undefined once freed, so that one comparison finds both a replaced and a freed memory. */
  #buffer: ArrayBuffer | undefined
  #words: Uint32Array

  /**
   * An empty set of numbers below `length`, 0 to {@link LARGEST_BITFIELD}.
   * @throws StorageError `OUT_OF_MEMORY` when the kernels' memory cannot hold it.
   */
  constructor(length: number, kernels: Kernels = defaultKernels()) {
    if (length >>> 0 !== length)
      throw new InvalidArgumentError('length', `a whole number from 0 to ${LARGEST_BITFIELD}`, length)
    this.length = length
    this.byteLength = Math.ceil(length / 128) * 16
    this.kernels = kernels
    this.#pointer = kernels.allocate(this.byteLength)
    if (this.#pointer === 0) {
      throw new StorageError('OUT_OF_MEMORY', `a bitfield of ${length} bits does not fit in memory`, {
        context: { bits: length, bytes: this.byteLength },
      })
    }
    this.#buffer = kernels.buffer
    this.#words = new Uint32Array(kernels.buffer, this.#pointer, this.byteLength / 4)
    forgotten ??= new FinalizationRegistry(({ kernels, pointer, bytes }) => kernels.free(pointer, bytes))
    forgotten.register(this, { kernels, pointer: this.#pointer, bytes: this.byteLength }, this)
  }

  test(index: number): boolean {
    if (index >>> 0 !== index || index >= this.length) this.#refuse('index', index)
    if (this.#buffer !== this.kernels.buffer) this.#refresh()
    return (this.#words[index >>> 5]! & (1 << index)) !== 0
  }

  /** Sets a bit; true when it was clear before. */
  set(index: number): boolean {
    if (index >>> 0 !== index || index >= this.length) this.#refuse('index', index)
    if (this.#buffer !== this.kernels.buffer) this.#refresh()
    const words = this.#words
    const word = words[index >>> 5]!
    words[index >>> 5] = word | (1 << index)
    return (word & (1 << index)) === 0
  }

  /** Clears a bit; true when it was set before. */
  clear(index: number): boolean {
    if (index >>> 0 !== index || index >= this.length) this.#refuse('index', index)
    if (this.#buffer !== this.kernels.buffer) this.#refresh()
    const words = this.#words
    const word = words[index >>> 5]!
    words[index >>> 5] = word & ~(1 << index)
    return (word & (1 << index)) !== 0
  }

  /** Sets the bits of `[start, end)`. */
  setRange(start: number, end: number): void {
    this.#checkRange(start, end)
    this.kernels.bitSetRange(this.#pointer, start, end)
  }

  /** Clears the bits of `[start, end)`. */
  clearRange(start: number, end: number): void {
    this.#checkRange(start, end)
    this.kernels.bitClearRange(this.#pointer, start, end)
  }

  setAll(): void {
    this.setRange(0, this.length)
  }

  clearAll(): void {
    this.clearRange(0, this.length)
  }

  /** How many bits of `[start, end)` are set; a pass over the range, so keep a count where it is asked for often. */
  count(start = 0, end = this.length): number {
    this.#checkRange(start, end)
    return this.kernels.bitCount(this.#pointer, start, end)
  }

  /** The first set bit of `[from, end)`, or -1; `from` may be the length. */
  nextSet(from: number, end = this.length): number {
    if (from >>> 0 !== from || from >= this.length) return this.#nothingFrom(from)
    if (end > this.length) this.#refuse('end', end)
    if (this.#buffer !== this.kernels.buffer) this.#refresh()
    // Walking a field one bit at a time mostly finds the next one in the same word; a call to a kernel would cost more than that.
    const word = this.#words[from >>> 5]! & (-1 << from)
    if (word !== 0) {
      const found = ((from | 31) - Math.clz32(word & -word)) >>> 0
      return found < end ? found : -1
    }
    if (from >= end) return -1
    const found = this.kernels.bitNextSet(this.#pointer, from, end)
    return found === end ? -1 : found
  }

  /** The first clear bit of `[from, end)`, or `end`. */
  nextClear(from: number, end = this.length): number {
    this.#checkRange(from, end)
    if (from === end) return end
    const word = ~this.#words[from >>> 5]! & (-1 << from)
    if (word !== 0) return Math.min(((from | 31) - Math.clz32(word & -word)) >>> 0, end)
    return this.kernels.bitNextClear(this.#pointer, from, end)
  }

  /** As {@link nextSet}, and clears the bit found. */
  takeNextSet(from: number): number {
    const found = this.nextSet(from)
    if (found >= 0) this.#words[found >>> 5]! &= ~(1 << found)
    return found
  }

  /** Keeps the bits that are also in `other`. */
  and(other: Bitfield): void {
    this.#withOperand(other, (pointer) => this.kernels.bitAnd(this.#pointer, pointer, this.byteLength))
  }

  /** Adds the bits of `other`. */
  or(other: Bitfield): void {
    this.#withOperand(other, (pointer) => this.kernels.bitOr(this.#pointer, pointer, this.byteLength))
  }

  /** Removes the bits of `other`. */
  andNot(other: Bitfield): void {
    this.#withOperand(other, (pointer) => this.kernels.bitAndNot(this.#pointer, pointer, this.byteLength))
  }

  /** Whether the two have a bit in common. */
  intersects(other: Bitfield): boolean {
    return this.#withOperand(other, (pointer) => this.kernels.bitIntersects(this.#pointer, pointer, this.byteLength))
  }

  isEmpty(): boolean {
    this.#checkAlive()
    return this.kernels.isZero(this.#pointer, this.byteLength)
  }

  /** Writes the numbers of the set bits from `from` on to `target`, ascending, as many as fit; returns how many. */
  collect(target: Uint32Array, from = 0): number {
    this.#checkRange(from, this.length)
    const scratch = scratchPointer(this.kernels)
    let count = 0
    let next = from
    while (scratch !== 0 && count < target.length) {
      const wanted = Math.min(target.length - count, SCRATCH_NUMBERS)
      const got = this.kernels.bitCollect(this.#pointer, next, this.length, scratch, wanted)
      target.set(new Uint32Array(this.kernels.buffer, scratch, got), count)
      count += got
      if (got < wanted) return count
      next = target[count - 1]! + 1
    }
    // Only a memory too full for the scratch comes here with room left.
    for (let bit = this.nextSet(next); bit >= 0 && count < target.length; bit = this.nextSet(bit + 1))
      target[count++] = bit
    return count
  }

  /**
   * Visits the runs of neighbouring set bits, ascending; longer ones than `maxRun` come in pieces. The visitor may change bits of the run it
   * was given and before; of changes behind it, it may or may not hear.
   */
  forEachRun(visit: (start: number, count: number) => void, maxRun = LARGEST_BITFIELD): void {
    checkInteger('maxRun', maxRun, 1)
    let start = this.nextSet(0)
    while (start >= 0) {
      const end = this.nextClear(start, Math.min(start + maxRun, this.length))
      visit(start, end - start)
      start = this.nextSet(end)
    }
  }

  /** A field with the same bits in the same memory, owned by the caller. */
  clone(): Bitfield {
    this.#checkAlive()
    const copy = new Bitfield(this.length, this.kernels)
    copy.copyFrom(this)
    return copy
  }

  /** Takes over the bits of `other`. */
  copyFrom(other: Bitfield): void {
    this.#checkOperand(other)
    if (other.kernels === this.kernels) this.kernels.copy(this.#pointer, other.#pointer, this.byteLength)
    else this.#words.set(other.#words)
  }

  /** Gives the memory back; idempotent. After that every other call throws. */
  free(): void {
    if (this.#buffer === undefined) return
    forgotten?.unregister(this)
    this.#buffer = undefined
    this.#words = new Uint32Array(0)
    this.kernels.free(this.#pointer, this.byteLength)
    this.#pointer = 0
  }

  #checkAlive(): void {
    if (this.#buffer !== this.kernels.buffer) this.#refresh()
  }

  /** Takes the view anew: the memory was replaced, unless the field was freed. */
  #refresh(): void {
    if (this.#buffer === undefined) throw new InvalidArgumentError('bitfield', 'a field in use', 'a freed one')
    this.#buffer = this.kernels.buffer
    this.#words = new Uint32Array(this.#buffer, this.#pointer, this.byteLength / 4)
  }

  #checkRange(start: number, end: number): void {
    if (start >>> 0 !== start || start > end) this.#refuse('start', start)
    if (end >>> 0 !== end || end > this.length) this.#refuse('end', end)
    this.#checkAlive()
  }

  #checkOperand(other: Bitfield): void {
    this.#checkAlive()
    other.#checkAlive()
    if (other.length !== this.length)
      throw new InvalidArgumentError('other', `a field of ${this.length} bits`, other.length)
  }

  /** Runs `work` with a pointer to the bits of `other` in our memory: its own, or that of a copy. */
  #withOperand<Result>(other: Bitfield, work: (pointer: number) => Result): Result {
    this.#checkOperand(other)
    if (other.kernels === this.kernels) return work(other.#pointer)
    const copy = new Bitfield(this.length, this.kernels)
    try {
      copy.copyFrom(other)
      return work(copy.#pointer)
    } finally {
      copy.free()
    }
  }

  /** Searches may begin at the end, as the one after the last bit does; no bit is there. */
  #nothingFrom(from: number): -1 {
    if (from !== this.length) this.#refuse('from', from)
    this.#checkAlive()
    return -1
  }

  #refuse(argument: string, got: number): never {
    throw new InvalidArgumentError(argument, `a whole number within 0..${this.length}`, got)
  }
}
