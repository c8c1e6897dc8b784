import { Allocator, type GrowableMemory } from './allocator.ts'
import type { KernelBuild, Kernels } from './kernels.ts'
import { MEMORY_PAGE_BYTES } from './limits.ts'

/** What both WASM builds export; numbers come back as signed 32-bit, booleans as 0 or 1. Source: `assembly/`. */
interface KernelExports {
  readonly vectors: WebAssembly.Global
  bitSetRange(field: number, start: number, end: number): void
  bitClearRange(field: number, start: number, end: number): void
  bitCount(field: number, start: number, end: number): number
  bitNextSet(field: number, from: number, end: number): number
  bitNextClear(field: number, from: number, end: number): number
  bitTakeNextSet(field: number, from: number, end: number): number
  bitAnd(target: number, other: number, bytes: number): void
  bitOr(target: number, other: number, bytes: number): void
  bitAndNot(target: number, other: number, bytes: number): void
  bitIntersects(a: number, b: number, bytes: number): number
  bitCollect(field: number, from: number, end: number, out: number, max: number): number
  copy(target: number, source: number, length: number): void
  equal(a: number, b: number, length: number): number
  isZero(pointer: number, length: number): number
  firstDifference(a: number, b: number, length: number): number
  zeroRun(pointer: number, length: number): number
  changedBlocks(a: number, b: number, length: number, blockSize: number, out: number, max: number): number
  xor(target: number, source: number, length: number): void
}

/** Kernels in WebAssembly: one instance with a memory of its own. Which build it is, the module says itself. */
export class WasmKernels implements Kernels, GrowableMemory {
  readonly build: KernelBuild
  /** A plain field, taken anew by {@link grow}: reading `memory.buffer` is a call into the engine, and fields read this per bit. */
  buffer: ArrayBuffer
  readonly #memory: WebAssembly.Memory
  readonly #exports: KernelExports
  readonly #allocator: Allocator

  /**
   * Instantiates a compiled module, without waiting.
   * @throws WebAssembly.LinkError when the module is not one of our builds; RangeError when the machine has no such memory.
   */
  constructor(module: WebAssembly.Module, initialBytes: number, maximumBytes: number) {
    // A maximum beyond what is needed now makes some engines reserve all of it, so only a memory that never grows states one; the
    // allocator keeps the other ones within theirs.
    const initial = initialBytes / MEMORY_PAGE_BYTES
    this.#memory = new WebAssembly.Memory(initialBytes === maximumBytes ? { initial, maximum: initial } : { initial })
    const instance = new WebAssembly.Instance(module, { env: { memory: this.#memory } })
    // The one place where the module's exports get their types; the names are checked by every conformance run.
    this.#exports = instance.exports as unknown as KernelExports
    if (!(this.#exports.vectors instanceof WebAssembly.Global))
      throw new WebAssembly.LinkError('not a module of kernels')
    this.build = this.#exports.vectors.value === 1 ? 'simd' : 'scalar'
    this.buffer = this.#memory.buffer
    this.#allocator = new Allocator(this, maximumBytes)
  }

  allocate(bytes: number): number {
    return this.#allocator.allocate(bytes)
  }

  free(pointer: number, bytes: number): void {
    this.#allocator.free(pointer, bytes)
  }

  /** For the allocator: `bytes` is a multiple of a page and at most the maximum. */
  grow(bytes: number): boolean {
    try {
      this.#memory.grow((bytes - this.buffer.byteLength) / MEMORY_PAGE_BYTES)
    } catch (error) {
      // The engine's way to say that the machine has no such memory.
      if (error instanceof RangeError) return false
      throw error
    }
    this.buffer = this.#memory.buffer
    return true
  }

  bitSetRange(field: number, start: number, end: number): void {
    this.#exports.bitSetRange(field, start, end)
  }

  bitClearRange(field: number, start: number, end: number): void {
    this.#exports.bitClearRange(field, start, end)
  }

  bitCount(field: number, start: number, end: number): number {
    return this.#exports.bitCount(field, start, end) >>> 0
  }

  bitNextSet(field: number, from: number, end: number): number {
    return this.#exports.bitNextSet(field, from, end) >>> 0
  }

  bitNextClear(field: number, from: number, end: number): number {
    return this.#exports.bitNextClear(field, from, end) >>> 0
  }

  bitTakeNextSet(field: number, from: number, end: number): number {
    return this.#exports.bitTakeNextSet(field, from, end) >>> 0
  }

  bitAnd(target: number, other: number, bytes: number): void {
    this.#exports.bitAnd(target, other, bytes)
  }

  bitOr(target: number, other: number, bytes: number): void {
    this.#exports.bitOr(target, other, bytes)
  }

  bitAndNot(target: number, other: number, bytes: number): void {
    this.#exports.bitAndNot(target, other, bytes)
  }

  bitIntersects(a: number, b: number, bytes: number): boolean {
    return this.#exports.bitIntersects(a, b, bytes) !== 0
  }

  bitCollect(field: number, from: number, end: number, out: number, max: number): number {
    return this.#exports.bitCollect(field, from, end, out, max) >>> 0
  }

  copy(target: number, source: number, length: number): void {
    this.#exports.copy(target, source, length)
  }

  equal(a: number, b: number, length: number): boolean {
    return this.#exports.equal(a, b, length) !== 0
  }

  isZero(pointer: number, length: number): boolean {
    return this.#exports.isZero(pointer, length) !== 0
  }

  firstDifference(a: number, b: number, length: number): number {
    return this.#exports.firstDifference(a, b, length) >>> 0
  }

  zeroRun(pointer: number, length: number): number {
    return this.#exports.zeroRun(pointer, length) >>> 0
  }

  changedBlocks(a: number, b: number, length: number, blockSize: number, out: number, max: number): number {
    return this.#exports.changedBlocks(a, b, length, blockSize, out, max) >>> 0
  }

  xor(target: number, source: number, length: number): void {
    this.#exports.xor(target, source, length)
  }
}
