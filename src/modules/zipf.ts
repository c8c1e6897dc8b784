import type { Random } from '../async/random.ts'
import { checkInteger } from '../errors/invalid-argument-error.ts'

/** The skew YCSB uses for "zipfian" (Cooper et al., "Benchmarking cloud serving systems with YCSB", 2010). */
export const ZIPF_EXPONENT = 0.99

/**
 * A sampler of ranks `0..count - 1` where rank `k` has a probability proportional to `1 / (k + 1) ** exponent`: few ranks take most of the draws.
 *
 * Constant time and no table, whatever the count. Algorithm: W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates
 * from monotone discrete distributions", ACM TOMACS 6(3), 1996, for an exponent other than 1.
 */
export function zipfSampler(random: Random, count: number, exponent: number = ZIPF_EXPONENT): () => number {
  checkInteger('count', count, 1)
  const power = 1 - exponent
  const density = (x: number) => x ** -exponent
  const integral = (x: number) => (x ** power - 1) / power
  const inverse = (area: number) => (1 + power * area) ** (1 / power)
  // The area under the curve from 1/2 to count + 1/2, where the first rank's hat is cut to its exact weight of 1.
  const lowest = integral(1.5) - 1
  const highest = integral(count + 0.5)
  // Left of this distance from the rank the hat lies below the histogram: accepted without computing a power.
  const shortcut = 2 - inverse(integral(2.5) - density(2))
  return () => {
    for (;;) {
      const area = highest + random() * (lowest - highest)
      const x = inverse(area)
      const rank = Math.min(Math.max(Math.floor(x + 0.5), 1), count)
      if (rank - x <= shortcut || area >= integral(rank + 0.5) - density(rank)) return rank - 1
    }
  }
}
