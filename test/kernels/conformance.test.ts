import { describe, expect, test } from 'vitest'
import type { KernelBuild } from '../../src/kernels/kernels.ts'
import { createKernels } from '../../src/kernels/load.ts'
import { kernelsConformance } from '../conformance/kernels.ts'

describe.each<KernelBuild>(['simd', 'scalar', 'typescript'])('kernels, %s', (build) => {
  test('the build asked for is the one that answers', () => {
    expect(createKernels({ build }).build).toBe(build)
  })
  for (const { name, run } of kernelsConformance(() => createKernels({ build }))) test(name, run)
})
