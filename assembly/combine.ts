/** What {@link combine} does with each pair of words. */
export const AND = 0
export const OR = 1
export const AND_NOT = 2
export const XOR = 3

// @ts-ignore: decorator
@inline
function combineVectors(target: v128, other: v128, operation: i32): v128 {
  if (operation == AND) return v128.and(target, other)
  if (operation == OR) return v128.or(target, other)
  if (operation == AND_NOT) return v128.andnot(target, other)
  return v128.xor(target, other)
}

// @ts-ignore: decorator
@inline
function combineWords(target: u64, other: u64, operation: i32): u64 {
  if (operation == AND) return target & other
  if (operation == OR) return target | other
  if (operation == AND_NOT) return target & ~other
  return target ^ other
}

/**
 * `target = target <operation> other` over `bytes`. Inlined with a constant operation, so each user gets its own loop. Unrolled to a cache line:
 * one vector per turn spends as long on the loop as on the work.
 */
// @ts-ignore: decorator
@inline
export function combine(target: usize, other: usize, bytes: usize, operation: i32): void {
  const end = target + bytes
  if (ASC_FEATURE_SIMD) {
    for (; target + 64 <= end; target += 64, other += 64) {
      v128.store(target, combineVectors(v128.load(target), v128.load(other), operation))
      v128.store(target, combineVectors(v128.load(target, 16), v128.load(other, 16), operation), 16)
      v128.store(target, combineVectors(v128.load(target, 32), v128.load(other, 32), operation), 32)
      v128.store(target, combineVectors(v128.load(target, 48), v128.load(other, 48), operation), 48)
    }
  } else {
    for (; target + 32 <= end; target += 32, other += 32) {
      store<u64>(target, combineWords(load<u64>(target), load<u64>(other), operation))
      store<u64>(target, combineWords(load<u64>(target, 8), load<u64>(other, 8), operation), 8)
      store<u64>(target, combineWords(load<u64>(target, 16), load<u64>(other, 16), operation), 16)
      store<u64>(target, combineWords(load<u64>(target, 24), load<u64>(other, 24), operation), 24)
    }
  }
  for (; target + 8 <= end; target += 8, other += 8) {
    store<u64>(target, combineWords(load<u64>(target), load<u64>(other), operation))
  }
  for (; target < end; target++, other++) {
    store<u8>(target, <u8>combineWords(load<u8>(target), load<u8>(other), operation))
  }
}
