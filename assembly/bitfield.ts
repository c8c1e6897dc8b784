/**
 * Bitfields: bit `i` is bit `i & 63` of the 64-bit little-endian word `i >> 6`. A field is a multiple of 16 bytes, so whole words are always there.
 *
 * ```
 *   bit    0      64     128    192
 *          │ word │ word │ word │ word │ …        start ▒▒▒▓▓▓▓▓▓▓▒▒ end
 *                                                       │edge│ whole │edge
 * ```
 */
import { AND, AND_NOT, OR, combine } from './combine'

/** The word that holds a bit. */
// @ts-ignore: decorator
@inline
function wordOf(field: usize, bit: u32): usize {
  return field + ((bit >> 6) << 3)
}

/** The bits of a word from `start & 63` on. */
// @ts-ignore: decorator
@inline
function maskFrom(start: u32): u64 {
  return ~(<u64>0) << (start & 63)
}

/** The bits of a word below `end`, where `end & 63` of 0 means all of them. */
// @ts-ignore: decorator
@inline
function maskTo(end: u32): u64 {
  return ~(<u64>0) >> (<u64>(0 - end) & 63)
}

// @ts-ignore: decorator
@inline
function change(word: usize, mask: u64, ones: bool): void {
  store<u64>(word, ones ? load<u64>(word) | mask : load<u64>(word) & ~mask)
}

// @ts-ignore: decorator
@inline
function fillWords(word: usize, end: usize, ones: bool): void {
  if (ASC_FEATURE_BULK_MEMORY) {
    memory.fill(word, ones ? 0xff : 0, end - word)
  } else {
    for (; word < end; word += 8) store<u64>(word, ones ? ~(<u64>0) : 0)
  }
}

// @ts-ignore: decorator
@inline
function changeRange(field: usize, start: u32, end: u32, ones: bool): void {
  if (start >= end) return
  const first = wordOf(field, start)
  const last = wordOf(field, end - 1)
  if (first == last) {
    change(first, maskFrom(start) & maskTo(end), ones)
    return
  }
  change(first, maskFrom(start), ones)
  fillWords(first + 8, last, ones)
  change(last, maskTo(end), ones)
}

export function bitSetRange(field: usize, start: u32, end: u32): void {
  changeRange(field, start, end, true)
}

export function bitClearRange(field: usize, start: u32, end: u32): void {
  changeRange(field, start, end, false)
}

/**
 * `popcnt` a word at a time, in both builds: vectors (`i8x16.popcnt` summed up, and Harley-Seal carry-save adders) took 1.2 to 1.8 times as long
 * over 2 MiB on x86, where V8 makes some ten instructions of `i8x16.popcnt` and one of `i64.popcnt`.
 */
export function bitCount(field: usize, start: u32, end: u32): u32 {
  if (start >= end) return 0
  let word = wordOf(field, start)
  const last = wordOf(field, end - 1)
  if (word == last) return <u32>popcnt(load<u64>(word) & maskFrom(start) & maskTo(end))
  let count = popcnt(load<u64>(word) & maskFrom(start)) + popcnt(load<u64>(last) & maskTo(end))
  word += 8
  for (; word + 32 <= last; word += 32) {
    count +=
      popcnt(load<u64>(word)) + popcnt(load<u64>(word, 8)) + popcnt(load<u64>(word, 16)) + popcnt(load<u64>(word, 24))
  }
  for (; word < last; word += 8) count += popcnt(load<u64>(word))
  return <u32>count
}

/** Whether all 64 bytes at `pointer` are the byte that `flip` is made of (0 or all ones). */
// @ts-ignore: decorator
@inline
function isUniform(pointer: usize, flip: u64): bool {
  if (ASC_FEATURE_SIMD) {
    if (flip == 0) {
      return !v128.any_true(
        v128.or(
          v128.or(v128.load(pointer), v128.load(pointer, 16)),
          v128.or(v128.load(pointer, 32), v128.load(pointer, 48)),
        ),
      )
    }
    return i32x4.all_true(
      i32x4.eq(
        v128.and(
          v128.and(v128.load(pointer), v128.load(pointer, 16)),
          v128.and(v128.load(pointer, 32), v128.load(pointer, 48)),
        ),
        i32x4.splat(-1),
      ),
    )
  }
  const difference =
    (load<u64>(pointer) ^ flip) |
    (load<u64>(pointer, 8) ^ flip) |
    (load<u64>(pointer, 16) ^ flip) |
    (load<u64>(pointer, 24) ^ flip) |
    (load<u64>(pointer, 32) ^ flip) |
    (load<u64>(pointer, 40) ^ flip) |
    (load<u64>(pointer, 48) ^ flip) |
    (load<u64>(pointer, 56) ^ flip)
  return difference == 0
}

/** The first bit that is set once the words are xored with `flip`: 0 looks for set bits, all ones for clear ones. */
// @ts-ignore: decorator
@inline
function next(field: usize, from: u32, end: u32, flip: u64): u32 {
  if (from >= end) return end
  let pointer = wordOf(field, from)
  const last = wordOf(field, end - 1)
  const lastLine = last - 64
  let word = (load<u64>(pointer) ^ flip) & maskFrom(from)
  while (word == 0) {
    if (pointer == last) return end
    pointer += 8
    // Whole lines before the last word; nothing lies below address 64, so the subtraction above never wraps.
    while (pointer <= lastLine && isUniform(pointer, flip)) pointer += 64
    word = load<u64>(pointer) ^ flip
  }
  // Bits behind `end` may be found; as a 64-bit number, since they may also be behind 2^32.
  return <u32>min<u64>((<u64>(pointer - field) << 3) + ctz(word), end)
}

export function bitNextSet(field: usize, from: u32, end: u32): u32 {
  return next(field, from, end, 0)
}

export function bitNextClear(field: usize, from: u32, end: u32): u32 {
  return next(field, from, end, ~(<u64>0))
}

export function bitTakeNextSet(field: usize, from: u32, end: u32): u32 {
  const found = next(field, from, end, 0)
  if (found < end) {
    const word = wordOf(field, found)
    store<u64>(word, load<u64>(word) & ~((<u64>1) << (found & 63)))
  }
  return found
}

export function bitAnd(target: usize, other: usize, bytes: usize): void {
  combine(target, other, bytes, AND)
}

export function bitOr(target: usize, other: usize, bytes: usize): void {
  combine(target, other, bytes, OR)
}

export function bitAndNot(target: usize, other: usize, bytes: usize): void {
  combine(target, other, bytes, AND_NOT)
}

export function bitIntersects(a: usize, b: usize, bytes: usize): bool {
  const end = a + bytes
  if (ASC_FEATURE_SIMD) {
    for (; a + 64 <= end; a += 64, b += 64) {
      const common = v128.or(
        v128.or(v128.and(v128.load(a), v128.load(b)), v128.and(v128.load(a, 16), v128.load(b, 16))),
        v128.or(v128.and(v128.load(a, 32), v128.load(b, 32)), v128.and(v128.load(a, 48), v128.load(b, 48))),
      )
      if (v128.any_true(common)) return true
    }
  }
  for (; a < end; a += 16, b += 16) {
    if ((load<u64>(a) & load<u64>(b)) | (load<u64>(a, 8) & load<u64>(b, 8))) return true
  }
  return false
}

export function bitCollect(field: usize, from: u32, end: u32, out: usize, max: u32): u32 {
  if (from >= end || max == 0) return 0
  const limit = out + ((<usize>max) << 2)
  const start = out
  const last = wordOf(field, end - 1)
  const lastLine = last - 64
  let pointer = wordOf(field, from)
  let word = load<u64>(pointer) & maskFrom(from)
  while (true) {
    if (pointer == last) word &= maskTo(end)
    const base = <u32>((pointer - field) << 3)
    while (word != 0) {
      store<u32>(out, base + <u32>ctz(word))
      out += 4
      if (out == limit) return max
      word &= word - 1
    }
    if (pointer == last) return <u32>((out - start) >> 2)
    pointer += 8
    while (pointer <= lastLine && isUniform(pointer, 0)) pointer += 64
    word = load<u64>(pointer)
  }
}
