import { expect, test } from 'vitest'
import { MemoryJournal } from '../../src/devices/disk-journal.ts'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { sendDisk } from '../../src/devices/send-disk.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { BlockDigests } from '../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { FlakyStorage } from '../support/flaky-storage.ts'

const BLOCK = 4096
const SIZE = 16 * BLOCK

async function connect() {
  const { a, b } = memoryChannels()
  const [near, far] = await Promise.all([
    openConnection([a], { role: 'dialer' }),
    openConnection([b], { role: 'listener' }),
  ])
  return { near, far }
}

// Found by the simulator: the power failed at the source, and what was to follow was older than what had been agreed on.
test('a disk is flushed at the source before it is given away with blocks that are still there', async () => {
  const { near, far } = await connect()
  const disk = new FlakyStorage(new MemoryStorage(SIZE))
  const { remote } = createDirtyTracker(disk, BLOCK)
  let flushes = 0
  const sent = sendDisk({
    connection: near,
    source: remote,
    name: 'disk',
    strategy: 'post-copy',
    handOver: () => {
      flushes = disk.calls.flush
    },
  })
  const received = await receiveDisk({ connection: far, create: () => new MemoryStorage(SIZE) })
  await sent
  await received.whole
  expect(flushes).toBeGreaterThan(0)
  await near.close()
})

// Found by the simulator: it said LOCKED, which nobody could tell from a passing failure.
test('a record that cannot be stored before blocks have moved leaves the disk in doubt, and says so', async () => {
  const { near, far } = await connect()
  const { local, remote } = createDirtyTracker(new MemoryStorage(SIZE), BLOCK)
  const journal = new MemoryJournal(new BlockDigests(SIZE, BLOCK, await createBlockHasher()))
  const become = journal.become.bind(journal)
  let isBroken = false
  journal.become = async (next) => {
    isBroken ||= next.state === 'released'
    if (isBroken) throw new StorageError('WRITE_FAILED')
    await become(next)
  }
  const sent = sendDisk({ connection: near, source: remote, name: 'disk', strategy: 'post-copy', journal })
  const receiving = receiveDisk({ connection: far, create: () => new MemoryStorage(SIZE) })
  await expect(sent).rejects.toMatchObject({ code: 'IN_DOUBT' })
  expect(local.state).toBe('locked')
  await receiving
  await near.close()
})
