import { describe, expect, test } from 'vitest'
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

/** A disk that was handed over at once and has been written here since; its source is lost when the last block has come, and before it has said so. */
async function lastWordLost(): Promise<{ machines: TwoMachines; lost: Promise<unknown> }> {
  const machines = new TwoMachines(seededRandom(4), 24)
  await machines.bootSource()
  machines.bootDestination()
  const connected = await machines.connect()
  let writing: Promise<void> | undefined
  let lost: Promise<unknown> | undefined
  const progressHandler = () => {
    if (!machines.destinationIsOpen || writing) return
    writing = machines.write(1)
    lost = Promise.allSettled([machines.arriving.whole])
    void machines.arriving.cache.whenComplete().then(() => connected.far.rw.abort(new StorageError('PEER_LOST')))
  }
  await machines.move(connected, { strategy: 'post-copy', progressHandler, progressIntervalMs: 0, runBytes: 2 * BLOCK })
  await writing
  expect(machines.arriving.cache.missingBlocks).toBe(0)
  expect(machines.arriving.journal.ownership).toMatchObject({ state: 'owner', missing: true })
  return { machines, lost: lost! }
}

describe('a disk that has lost its source after the last block, and before the last word,', () => {
  test('is not whole, and says so', async () => {
    const { machines, lost } = await lastWordLost()
    expect(await lost).toMatchObject([{ status: 'rejected', reason: { code: 'PEER_LOST' } }])
    expect(machines.arriving.isWhole).toBe(false)
    expect(machines.destinationIsOpen).toBe(true)
  })

  test('becomes whole when the source is back', async () => {
    const { machines } = await lastWordLost()
    const { source } = await machines.move(await machines.connect(), { strategy: 'post-copy' })
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    await machines.arriving.whole
    expect(machines.arriving.isWhole).toBe(true)
  })

  test('may be taken over whole, and moves on', async () => {
    const { machines } = await lastWordLost()
    await machines.arriving.takeOver()
    await machines.arriving.whole
    expect(machines.arriving.isWhole).toBe(true)
    const { ownership } = machines.arriving.journal
    expect([ownership?.forced, ownership?.missing, ownership?.settling]).toEqual([true, undefined, undefined])
    await machines.write(1)
    await machines.turnAround()
    const { source } = await machines.move(await machines.connect())
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    expect(await compareDisks(machines.shadow, machines.far.disk, BLOCK)).toMatchObject({ bytes: 0 })
  })

  test('tells its source that it is not needed, should it come back after that', async () => {
    const { machines } = await lastWordLost()
    await machines.arriving.takeOver()
    const { source } = await machines.move(await machines.connect(), { strategy: 'post-copy' })
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    expect(machines.destinationIsOpen).toBe(true)
  })
})
