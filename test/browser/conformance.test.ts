import { afterAll, describe, expect, it } from 'vitest'
import { listCases, runCase, startHarness } from './harness/start.ts'

const SUITES = [
  'opfs',
  'opfs-async',
  'memory',
  'memory-sparse',
  'indexeddb',
  'kernels-simd',
  'kernels-scalar',
  'kernels-typescript',
]

const harness = await startHarness()
afterAll(() => harness.close())
const page = await harness.openPage()

for (const suite of SUITES) {
  for (const where of ['page', 'worker'] as const) {
    const names = await listCases(page, suite, where)
    describe(`${suite} in a ${where}`, () => {
      for (const [index, name] of names.entries()) it(name, () => runCase(page, suite, index, where))
    })
  }
}

it('says nothing but its results', () => {
  expect(harness.complaints).toEqual([])
})
