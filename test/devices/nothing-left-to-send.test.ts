import { expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { BLOCK, TwoMachines } from './two-machines.ts'

test('a disk of which the destination lacks nothing is handed over before its blocks have moved', async () => {
  const machines = new TwoMachines(seededRandom(1))
  await machines.bootSource()
  machines.bootDestination()
  const handOver = () => {
    throw new Error('not yet')
  }
  const { source: first } = await machines.move(await machines.connect(), { handOver })
  expect(first).toMatchObject({ status: 'rejected' })
  expect(machines.sourceIsOpen).toBe(true)
  const { source } = await machines.move(await machines.connect(), { strategy: 'post-copy' })
  expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  await machines.arriving.whole
  expect(machines.destinationIsOpen).toBe(true)
  await machines.write(3)
  expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
})

test('a disk is handed over before blocks have moved that its source knows and its destination has lost', async () => {
  const machines = new TwoMachines(seededRandom(2))
  await machines.bootSource()
  machines.bootDestination()
  const handOver = () => {
    throw new Error('not yet')
  }
  await machines.move(await machines.connect(), { handOver })
  await machines.arriving.journal.forget(40, 3)
  const { source } = await machines.move(await machines.connect(), { strategy: 'post-copy' })
  expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
  await machines.arriving.whole
  expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
})
