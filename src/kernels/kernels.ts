/** Which implementation answers: WASM with 128-bit vectors, WASM without, or the TypeScript twin. */
export type KernelBuild = 'simd' | 'scalar' | 'typescript'

/**
 * Bit and block work over one linear memory. Pointers are byte offsets into {@link buffer}; nothing but numbers crosses the boundary.
 *
 * A bitfield in memory is `ceil(bits / 128) * 16` bytes, 16-byte aligned, bit `i` in 32-bit little-endian word `i >> 5` at `i & 31`; bits
 * past the length are zero and every operation keeps them so. Bit numbers are below 2^32.
 *
 * Pointers and lengths are trusted, as they only ever come from {@link allocate}; lists of u32 go to addresses that are a multiple of 4. Two
 * ranges given together are the same or apart, but for `copy`.
 *
 * All builds have the same results for the same input; `typescript` is the readable specification.
 */
export interface Kernels {
  readonly build: KernelBuild
  /** The memory as it is now. It is replaced when memory grows: take views fresh, never keep one across an await or an allocation. */
  readonly buffer: ArrayBuffer

  /** Reserves zeroed bytes, 64-byte aligned; 0 when they do not fit. May grow the memory, which replaces {@link buffer}. */
  allocate(bytes: number): number
  /** Gives back what {@link allocate} returned, with the same size. A region that is not out is refused with `INVALID_ARGUMENT`. */
  free(pointer: number, bytes: number): void

  /** Sets the bits of `[start, end)`. */
  bitSetRange(field: number, start: number, end: number): void
  /** Clears the bits of `[start, end)`. */
  bitClearRange(field: number, start: number, end: number): void
  /** How many bits of `[start, end)` are set. */
  bitCount(field: number, start: number, end: number): number
  /** The first set bit in `[from, end)`, or `end`. */
  bitNextSet(field: number, from: number, end: number): number
  /** The first clear bit in `[from, end)`, or `end`. */
  bitNextClear(field: number, from: number, end: number): number
  /** As `bitNextSet`, and clears the bit found. */
  bitTakeNextSet(field: number, from: number, end: number): number
  /** `target &= other` over `bytes` (a multiple of 16). */
  bitAnd(target: number, other: number, bytes: number): void
  /** `target |= other`. */
  bitOr(target: number, other: number, bytes: number): void
  /** `target &= ~other`. */
  bitAndNot(target: number, other: number, bytes: number): void
  /** Whether the two have a set bit in common. */
  bitIntersects(a: number, b: number, bytes: number): boolean
  /** Writes the numbers of the set bits in `[from, end)` as u32 to `out`, ascending, at most `max`; returns how many. */
  bitCollect(field: number, from: number, end: number, out: number, max: number): number

  /** Copies `length` bytes; ranges may overlap. */
  copy(target: number, source: number, length: number): void
  /** Whether two ranges hold the same bytes. */
  equal(a: number, b: number, length: number): boolean
  /** Whether a range is all zero. */
  isZero(pointer: number, length: number): boolean
  /** Offset of the first byte that differs, or `length`. */
  firstDifference(a: number, b: number, length: number): number
  /** Offset of the first non-zero byte, or `length`: the length of the zero run at the start. */
  zeroRun(pointer: number, length: number): number
  /** Numbers of the `blockSize` pieces that differ between two buffers, as u32 to `out`, ascending, at most `max`; returns how many. The last piece may be short. */
  changedBlocks(a: number, b: number, length: number, blockSize: number, out: number, max: number): number
  /** `target ^= source`. */
  xor(target: number, source: number, length: number): void
}
