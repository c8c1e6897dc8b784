import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { Bitfield } from '../../src/bitfield/bitfield.ts'
import { createKernels } from '../../src/kernels/load.ts'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

test('a field that was forgotten gives its memory back, one that was freed does so once', async () => {
  const kernels = createKernels({ fixedBytes: 2 ** 16 })
  const bytes = 2 ** 15
  ;(() => {
    new Bitfield(bytes * 8, kernels).free()
    new Bitfield(bytes * 8, kernels).set(1)
  })()
  const kept = new Bitfield(8, kernels)
  kept.set(3)
  const free = () => {
    const pointer = kernels.allocate(bytes)
    if (pointer !== 0) kernels.free(pointer, bytes)
    return pointer
  }
  expect(free()).not.toBe(64)
  // The collector decides when; a few rounds are plenty, since nothing refers to the field.
  for (let round = 0; round < 50 && free() !== 64; round++) {
    collectGarbage()
    await setImmediate()
  }
  expect(free()).toBe(64)
  expect(kept.test(3)).toBe(true)
})
