import { expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { BLOCK, TwoMachines } from './two-machines.ts'

test('a disk that was to go to one destination goes whole to another', async () => {
  const machines = new TwoMachines(seededRandom(10))
  await machines.bootSource()
  machines.bootDestination()
  const first = await machines.connectFor(100 * BLOCK, 'cut')
  await machines.move(first, { concurrency: { any: 1 } })
  expect(machines.struck).toBe(true)
  machines.far = new TwoMachines(seededRandom(11)).far
  machines.bootDestination()
  const { source } = await machines.move(await machines.connect())
  expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
})
