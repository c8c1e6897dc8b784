import type { Kernels } from '../kernels/kernels.ts'

/** Numbers that fit in the scratch of one memory: 16 KiB, enough that a call costs nothing beside the work. */
export const SCRATCH_NUMBERS = 4096

const pointers = new WeakMap<Kernels, number>()

/**
 * A place for kernels to write lists of u32 to: one per memory, taken on first use and kept. Whoever uses it copies the result out
 * before anything else runs. 0 when it does not fit.
 */
export function scratchPointer(kernels: Kernels): number {
  const known = pointers.get(kernels)
  if (known !== undefined) return known
  const pointer = kernels.allocate(SCRATCH_NUMBERS * 4)
  if (pointer !== 0) pointers.set(kernels, pointer)
  return pointer
}
