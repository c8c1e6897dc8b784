import { expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { BLOCK, TwoMachines } from './two-machines.ts'

/** A destination that is left prepared: the source loses the link before it has given the disk away. */
async function prepared(): Promise<TwoMachines> {
  const machines = new TwoMachines(seededRandom(2))
  await machines.bootSource()
  machines.bootDestination()
  const connected = await machines.connect()
  const handOver = () => {
    connected.near.rw.abort(new StorageError('PEER_LOST'))
    throw new StorageError('PEER_LOST')
  }
  await machines.move(connected, { handOver })
  expect(machines.arriving.journal.ownership).toMatchObject({ state: 'prepared' })
  return machines
}

test('a disk whose source is gone may be taken over, and that is recorded', async () => {
  const machines = await prepared()
  await machines.arriving.takeOver()
  expect(machines.destinationIsOpen).toBe(true)
  expect(machines.arriving.journal.ownership).toMatchObject({ state: 'owner', forced: true, epoch: 3 })
  expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
  await expect(machines.arriving.takeOver()).rejects.toMatchObject({ code: 'NOT_OWNER' })
})

test('both stop when the source was not gone after all', async () => {
  const machines = await prepared()
  await machines.arriving.takeOver()
  expect(machines.sourceIsOpen).toBe(true)
  const { near, far } = await machines.connectUnwatched()
  const attaching = machines.arriving.attach(far)
  await expect(machines.sending.send({ connection: near, name: 'disk' })).rejects.toMatchObject({ code: 'IN_DOUBT' })
  await attaching
  expect(machines.sourceIsOpen).toBe(false)
  expect(machines.destinationIsOpen).toBe(false)
})

test('a disk of which blocks are missing is not taken over', async () => {
  const machines = new TwoMachines(seededRandom(3))
  await machines.bootSource()
  machines.bootDestination()
  await machines.move(await machines.connectFor(200_000, 'cut'))
  await expect(machines.arriving.takeOver()).rejects.toMatchObject({ code: 'VERIFY_FAILED' })
  expect(machines.destinationIsOpen).toBe(false)
})
