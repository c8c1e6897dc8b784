import { expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { SendingDisk } from '../../src/devices/sending-disk.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import { createWriteIntents } from '../../src/migration/journal/write-intents.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { BLOCK, TwoMachines } from './two-machines.ts'

test('what a journal could not be told in one attempt does not end the next one', async () => {
  const machines = new TwoMachines(seededRandom(4))
  const journal = await machines.near.journal()
  const checkpoint = journal.checkpoint.bind(journal)
  let fail: (error: unknown) => void = () => {}
  const failing = new Promise<void>((_, reject) => {
    fail = reject
  })
  journal.checkpoint = () => {
    journal.checkpoint = checkpoint
    return failing
  }
  machines.tracker = createDirtyTracker(machines.near.storage(), BLOCK, createWriteIntents(journal))
  machines.sending = await SendingDisk.open({ source: machines.tracker.remote, journal })
  machines.bootDestination()
  const handOver = () => {
    throw new Error('not yet')
  }
  await machines.move(await machines.connect(), { handOver })
  expect(journal.checkpoint).toBe(checkpoint)
  fail(new StorageError('QUOTA_EXCEEDED'))
  await failing.catch(() => {})
  await machines.write(1)
  const { source } = await machines.move(await machines.connect())
  expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
})
