import { describe, expect, test } from 'vitest'
import { type DiskJournal, MemoryJournal } from '../../src/devices/disk-journal.ts'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import type { SendDiskOptions } from '../../src/devices/send-options.ts'
import { SendingDisk } from '../../src/devices/sending-disk.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import { journalBytes, openJournal } from '../../src/migration/journal/journal.ts'
import type { Ownership } from '../../src/migration/journal/ownership.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { BlockDigests } from '../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { anyOf, FlakyStorage, onCalls } from '../support/flaky-storage.ts'

const BLOCK = 4096
const SIZE = 20 * BLOCK

/** A journal whose n-th records cannot be stored. */
class FailingJournal extends MemoryJournal {
  readonly #failing: readonly number[]
  #count = 0

  constructor(digests: BlockDigests, failing: readonly number[]) {
    super(digests)
    this.#failing = failing
  }

  override async become(next: Ownership): Promise<void> {
    this.#count++
    if (this.#failing.includes(this.#count)) throw new StorageError('WRITE_FAILED', `record ${this.#count}`)
    await super.become(next)
  }
}

async function journal(failing: readonly number[]): Promise<DiskJournal> {
  return new FailingJournal(new BlockDigests(SIZE, BLOCK, await createBlockHasher()), failing)
}

async function move(
  failing: { source?: readonly number[]; destination?: readonly number[]; journal?: DiskJournal },
  options: Pick<SendDiskOptions, 'handOver'> = {},
) {
  const connect = async () => {
    const { a, b } = memoryChannels()
    const [near, far] = await Promise.all([
      openConnection([a], { role: 'dialer' }),
      openConnection([b], { role: 'listener' }),
    ])
    return { near, far }
  }
  const { local, remote } = createDirtyTracker(new MemoryStorage(SIZE), BLOCK)
  const sending = await SendingDisk.open({
    source: remote,
    journal: failing.journal ?? (await journal(failing.source ?? [])),
  })
  const { near: firstNear, far } = await connect()
  let near = firstNear
  let kept: DiskJournal | undefined
  const sent = sending.send({ connection: near, name: 'disk', ...options })
  sent.catch((error: unknown) => near.close(error))
  const received = await receiveDisk({
    connection: far,
    create: () => new MemoryStorage(SIZE),
    journal: async () => {
      kept ??= await journal(failing.destination ?? [])
      return kept
    },
  })
  const first = await sent.catch((error: unknown) => error as StorageError)
  const again = async (by = sending) => {
    await near.close()
    const next = await connect()
    near = next.near
    const resent = by.send({ connection: next.near, name: 'disk' })
    resent.catch((error: unknown) => next.near.close(error))
    await received.attach(next.far).catch(() => {}) // It is not announced where nothing may be said.
    return resent
  }
  return { sending, local, received, there: () => kept!, first, again }
}

describe('a record that cannot be stored', () => {
  // The source records: its disk, the migration, the release, that it is gone. The destination: receiving, prepared, owner.
  test.each([
    ['of the release', { source: [3] }],
    ['at the destination, of a beginning', { destination: [1] }],
    ['at the destination, of a prepared hand-over', { destination: [2] }],
  ])('%s leaves the disk with the source, and the next attempt succeeds', async (_, failing) => {
    const { local, received, first, again } = await move(failing)
    expect(first).toMatchObject({ code: 'WRITE_FAILED' })
    expect(local.state).toBe('open')
    expect(received.disk.state).toBe('locked')
    expect(await again()).toMatchObject({ acknowledged: true })
    expect(local.state).toBe('locked')
    expect(received.disk.state).toBe('open')
  })

  test('of the release, nor that it did not happen, leaves the disk with nobody until one of them can', async () => {
    const { sending, local, received, there, first, again } = await move({ source: [3, 4, 5] })
    expect(first).toMatchObject({ code: 'IN_DOUBT' })
    // Nothing is said to the other side, which waits for the last word, before that.
    await expect(again()).rejects.toMatchObject({ code: 'IN_DOUBT' })
    expect(sending.isInDoubt).toBe(true)
    expect(there().ownership?.state).toBe('prepared')
    expect(local.state).toBe('locked')
    expect(received.disk.state).toBe('locked')
    expect(await again()).toMatchObject({ acknowledged: true })
    expect(sending.isInDoubt).toBe(false)
    expect(local.state).toBe('locked')
    expect(received.disk.state).toBe('open')
  })

  test('of the release, nor that it did not happen, is found after a restart, and the hand-over ends well', async () => {
    const place = new FlakyStorage(new MemoryStorage(journalBytes(SIZE, BLOCK)))
    const hasher = await createBlockHasher()
    const open = () => openJournal(place, { size: SIZE, blockSize: BLOCK, hasher, bootId: 'one' })
    const handOver = () => {
      const { flush, write } = place.calls
      // Written and not flushed, and then not even written: what lies there says `released`.
      place.plan = anyOf(onCalls('flush', { from: flush + 1 }), onCalls('write', { from: write + 2, times: 9 }))
    }
    const { local, received, there, first, again } = await move({ journal: await open() }, { handOver })
    expect(first).toMatchObject({ code: 'IN_DOUBT' })
    await expect(again()).rejects.toMatchObject({ code: 'IN_DOUBT' })
    expect(there().ownership?.state).toBe('prepared')
    place.plan = undefined
    const journal = await open()
    expect(journal.ownership?.state).toBe('released')
    local.unlock()
    const { remote } = createDirtyTracker(new MemoryStorage(SIZE), BLOCK)
    expect(await again(await SendingDisk.open({ source: remote, journal }))).toMatchObject({ acknowledged: true })
    expect(received.disk.state).toBe('open')
  })

  test('at the destination, of the last word, is said again', async () => {
    const { local, received, first, again } = await move({ destination: [3] })
    expect(first).toMatchObject({ acknowledged: false, reason: { code: 'WRITE_FAILED' } })
    expect(local.state).toBe('locked')
    expect(received.disk.state).toBe('locked')
    expect(await again()).toMatchObject({ acknowledged: true })
    expect(received.disk.state).toBe('open')
  })
})
