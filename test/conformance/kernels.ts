import type { Kernels } from '../../src/kernels/kernels.ts'
import type { ConformanceCase } from './case.ts'
import { bitCases } from './kernel-bits.ts'
import { blockCases } from './kernel-blocks.ts'
import { memoryCases } from './kernel-memory.ts'

/**
 * What any build of the kernels must do: the same vectors, and the same answers as a naive model on random input.
 *
 * `create` gives fresh kernels with a memory of their own that may grow. The seed decides the random input; failures name it.
 */
export function kernelsConformance(create: () => Kernels, seed = 20240229): ConformanceCase[] {
  // One instance serves all cases that only compute: engines reserve gigabytes of address space for each.
  let shared: Kernels | undefined
  const kernels = () => {
    shared ??= create()
    return shared
  }
  return [...memoryCases(create, seed), ...bitCases(kernels, create, seed), ...blockCases(kernels, seed)]
}
