/**
 * Digests of memory pages, made where they lie: the module is given a memory that belongs to somebody else, such as an emulator's, and only
 * reads it. It has no data, no stack and no allocator of its own; what is remembered is in locals and four globals.
 *
 * A page is 4096 bytes. Two kinds of sums run over it, 64 bytes at a time, `d` being its 32-bit words and `k` a key that changes with each line:
 *
 * ```
 *   product   P += (d[i] + k[i]) * (d[i + 4] + k[i + 4])     64-bit, eight of them: the sum of NH (Black et al., "UMAC", 1999)
 *   plain     R  = R * M + d[i]                              32-bit, sixteen of them: tells words that change places
 * ```
 * A change of one word always changes its R; what leaves all R alone changes a P but with a chance of 2^-32. All 128 bytes are folded into 128 bits.
 * Digests are compared with each other only within one process, so nobody can prepare a collision for somebody else.
 */

// @ts-ignore: decorator
@inline
const LINES: u32 = 64

let word0: u32 = 0
let word1: u32 = 0
let word2: u32 = 0
let word3: u32 = 0

/** The digest made last, as four words. */
export function first(): u32 {
  return word0
}

export function second(): u32 {
  return word1
}

export function third(): u32 {
  return word2
}

export function fourth(): u32 {
  return word3
}

/** Makes the digest of the page at `pointer`. */
export function digest(pointer: usize): void {
  let p0 = i64x2.splat(0)
  let p1 = i64x2.splat(0)
  let p2 = i64x2.splat(0)
  let p3 = i64x2.splat(0)
  let r0 = i64x2.splat(0)
  let r1 = i64x2.splat(0)
  let r2 = i64x2.splat(0)
  let r3 = i64x2.splat(0)
  let k0 = i32x4(0x2c1b3c6d, 0x297a2d39, 0x85ebca6b, 0xc2b2ae35)
  let k1 = i32x4(0x27d4eb2f, 0x165667b1, 0x9e3779b1, 0x85ebca77)
  let k2 = i32x4(0x1b873593, 0xcc9e2d51, 0xe6546b64, 0x38b34ae5)
  let k3 = i32x4(0xa1e38b93, 0x7feb352d, 0x846ca68b, 0xd35a2d97)
  const step = i32x4(0x9e3779b9, 0x7f4a7c15, 0xbf58476d, 0x94d049bb)
  const m = i32x4.splat(0x2c9277b5)
  for (let line: u32 = 0; line < LINES; line++) {
    const d0 = v128.load(pointer)
    const d1 = v128.load(pointer, 16)
    const d2 = v128.load(pointer, 32)
    const d3 = v128.load(pointer, 48)
    const x0 = i32x4.add(d0, k0)
    const x1 = i32x4.add(d1, k1)
    const x2 = i32x4.add(d2, k2)
    const x3 = i32x4.add(d3, k3)
    p0 = i64x2.add(p0, i64x2.extmul_low_i32x4_u(x0, x1))
    p1 = i64x2.add(p1, i64x2.extmul_high_i32x4_u(x0, x1))
    p2 = i64x2.add(p2, i64x2.extmul_low_i32x4_u(x2, x3))
    p3 = i64x2.add(p3, i64x2.extmul_high_i32x4_u(x2, x3))
    r0 = i32x4.add(i32x4.mul(r0, m), d0)
    r1 = i32x4.add(i32x4.mul(r1, m), d1)
    r2 = i32x4.add(i32x4.mul(r2, m), d2)
    r3 = i32x4.add(i32x4.mul(r3, m), d3)
    k0 = i32x4.add(k0, step)
    k1 = i32x4.add(k1, step)
    k2 = i32x4.add(k2, step)
    k3 = i32x4.add(k3, step)
    pointer += 64
  }
  low = 0x9e3779b97f4a7c15
  high = 0xbf58476d1ce4e5b9
  fold(p0)
  fold(p1)
  fold(p2)
  fold(p3)
  fold(r0)
  fold(r1)
  fold(r2)
  fold(r3)
  low ^= low >> 29
  high ^= high >> 32
  word0 = <u32>low
  word1 = <u32>(low >> 32)
  word2 = <u32>high
  word3 = <u32>(high >> 32)
}

let low: u64 = 0
let high: u64 = 0

// @ts-ignore: decorator
@inline
function fold(sum: v128): void {
  mix(i64x2.extract_lane(sum, 0))
  mix(i64x2.extract_lane(sum, 1))
}

// @ts-ignore: decorator
@inline
function mix(word: u64): void {
  low = (low ^ word) * 0xff51afd7ed558ccd
  low ^= low >> 33
  high = rotl(high + word, 29) * 0xc4ceb9fe1a85ec53
}

/** Whether the page differs from one with this digest; {@link digest} otherwise. */
export function differs(pointer: usize, a: u32, b: u32, c: u32, d: u32): bool {
  digest(pointer)
  return word0 != a || word1 != b || word2 != c || word3 != d
}

/** Whether the page is all zero. */
export function isZero(pointer: usize): bool {
  const end = pointer + 4096
  do {
    if (v128.any_true(v128.or(v128.or(v128.load(pointer), v128.load(pointer, 16)), v128.or(v128.load(pointer, 32), v128.load(pointer, 48))))) return false
    pointer += 64
  } while (pointer < end)
  return true
}
