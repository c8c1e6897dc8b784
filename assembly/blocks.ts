/**
 * Block work: ranges of bytes at any address. Each scan skips equal cache lines, then equal words, and only the last word is looked into.
 *
 * ```
 *   │ 64 bytes │ 64 bytes │ … │ 8 │ 8 │ … │1│1│
 *    vectors, or eight words    words       bytes
 * ```
 */
import { XOR, combine } from './combine'

/** Whether 64 bytes hold the same; loads need no alignment. */
// @ts-ignore: decorator
@inline
function sameLine(a: usize, b: usize): bool {
  if (ASC_FEATURE_SIMD) {
    return !v128.any_true(
      v128.or(
        v128.or(v128.xor(v128.load(a), v128.load(b)), v128.xor(v128.load(a, 16), v128.load(b, 16))),
        v128.or(v128.xor(v128.load(a, 32), v128.load(b, 32)), v128.xor(v128.load(a, 48), v128.load(b, 48))),
      ),
    )
  }
  const difference =
    (load<u64>(a) ^ load<u64>(b)) |
    (load<u64>(a, 8) ^ load<u64>(b, 8)) |
    (load<u64>(a, 16) ^ load<u64>(b, 16)) |
    (load<u64>(a, 24) ^ load<u64>(b, 24)) |
    (load<u64>(a, 32) ^ load<u64>(b, 32)) |
    (load<u64>(a, 40) ^ load<u64>(b, 40)) |
    (load<u64>(a, 48) ^ load<u64>(b, 48)) |
    (load<u64>(a, 56) ^ load<u64>(b, 56))
  return difference == 0
}

// @ts-ignore: decorator
@inline
function zeroLine(pointer: usize): bool {
  if (ASC_FEATURE_SIMD) {
    return !v128.any_true(
      v128.or(
        v128.or(v128.load(pointer), v128.load(pointer, 16)),
        v128.or(v128.load(pointer, 32), v128.load(pointer, 48)),
      ),
    )
  }
  const bits =
    load<u64>(pointer) |
    load<u64>(pointer, 8) |
    load<u64>(pointer, 16) |
    load<u64>(pointer, 24) |
    load<u64>(pointer, 32) |
    load<u64>(pointer, 40) |
    load<u64>(pointer, 48) |
    load<u64>(pointer, 56)
  return bits == 0
}

export function copy(target: usize, source: usize, length: usize): void {
  if (ASC_FEATURE_BULK_MEMORY) {
    memory.copy(target, source, length)
  } else if (target - source >= length) {
    // Unsigned: the target begins before the source or behind its end, so going up never overwrites what is still to be read.
    let offset: usize = 0
    for (; offset + 8 <= length; offset += 8) store<u64>(target + offset, load<u64>(source + offset))
    for (; offset < length; offset++) store<u8>(target + offset, load<u8>(source + offset))
  } else {
    for (; length >= 8; length -= 8) store<u64>(target + length - 8, load<u64>(source + length - 8))
    for (; length > 0; length--) store<u8>(target + length - 1, load<u8>(source + length - 1))
  }
}

export function firstDifference(a: usize, b: usize, length: usize): usize {
  let offset: usize = 0
  while (offset + 64 <= length && sameLine(a + offset, b + offset)) offset += 64
  for (; offset + 8 <= length; offset += 8) {
    const difference = load<u64>(a + offset) ^ load<u64>(b + offset)
    if (difference != 0) return offset + (<usize>ctz(difference) >> 3)
  }
  while (offset < length && load<u8>(a + offset) == load<u8>(b + offset)) offset++
  return offset
}

export function equal(a: usize, b: usize, length: usize): bool {
  return firstDifference(a, b, length) == length
}

export function zeroRun(pointer: usize, length: usize): usize {
  let offset: usize = 0
  while (offset + 64 <= length && zeroLine(pointer + offset)) offset += 64
  for (; offset + 8 <= length; offset += 8) {
    const word = load<u64>(pointer + offset)
    if (word != 0) return offset + (<usize>ctz(word) >> 3)
  }
  while (offset < length && load<u8>(pointer + offset) == 0) offset++
  return offset
}

export function isZero(pointer: usize, length: usize): bool {
  return zeroRun(pointer, length) == length
}

export function changedBlocks(a: usize, b: usize, length: usize, blockSize: usize, out: usize, max: u32): u32 {
  let count: u32 = 0
  let block: u32 = 0
  let offset: usize = 0
  while (offset < length && count < max) {
    const piece = min<usize>(blockSize, length - offset)
    if (firstDifference(a + offset, b + offset, piece) != piece) {
      store<u32>(out + ((<usize>count) << 2), block)
      count++
    }
    block++
    offset += piece
  }
  return count
}

export function xor(target: usize, source: usize, length: usize): void {
  combine(target, source, length, XOR)
}
