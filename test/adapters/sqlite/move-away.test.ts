import { describe, expect, it } from 'vitest'
import { SqliteDisk } from '../../../src/adapters/sqlite/sqlite-disk.ts'
import { moveAway } from '../../../src/adapters/sqlite/swap.ts'
import { type ReceivedDisk, receiveDisk } from '../../../src/devices/receive-disk.ts'
import { type SendDiskOptions, sendDisk } from '../../../src/devices/send-disk.ts'
import { StorageError } from '../../../src/errors/storage-error.ts'
import type { OwnershipState } from '../../../src/migration/journal/ownership.ts'
import { type Connection, openConnection } from '../../../src/protocol/connection.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { memoryChannels } from '../../../src/transports/memory.ts'
import { FlakyStorage } from '../../support/flaky-storage.ts'
import { connect, type Database, startSqlite } from '../../support/sqlite-in-node.ts'
import { ToldJournal } from '../../support/told-journal.ts'

const SIZE = 8 * 2 ** 20
const BLOCK = 65536

const journal = (tell: (state: OwnershipState) => Promise<void> | void) =>
  ToldJournal.of({ size: SIZE, blockSize: BLOCK }, tell)

async function connectBoth(): Promise<{ here: Connection; there: Connection }> {
  const { a, b } = memoryChannels()
  const [here, there] = await Promise.all([
    openConnection([a], { role: 'dialer' }),
    openConnection([b], { role: 'listener' }),
  ])
  return { here, there }
}

/** A database with some rows, somebody who inserts one more all the time, and a way to another device. */
async function inUse(from: StorageProvider) {
  const disk = await SqliteDisk.open(from)
  const db = await connect(await startSqlite('asyncify'), 'app.db', disk)
  await db.run('CREATE TABLE t (n INTEGER PRIMARY KEY, x)')
  let rows = 0
  const insert = async () => {
    await db.run(`INSERT INTO t VALUES (${rows}, randomblob(300))`)
    rows++
  }
  while (rows < 200) await insert()
  const writing = (async () => {
    for (; ; await new Promise(setImmediate)) await insert()
  })().catch((error: Error) => error.message)
  const { here, there } = await connectBoth()
  const receiving: Promise<ReceivedDisk> = receiveDisk({
    connection: there,
    create: ({ size }) => new MemoryStorage(size),
  })
  void receiving.then(({ handedOver, whole }) => {
    handedOver.catch(() => {})
    whole.catch(() => {})
  })
  return {
    disk,
    db,
    here,
    there,
    receiving,
    /** Rows that were acknowledged when the writer was refused, and what it was told. */
    rows: async () => ({ told: await writing, acknowledged: rows }),
    send: (options: Partial<SendDiskOptions> = {}) =>
      moveAway(disk, (moving) => sendDisk({ connection: here, name: 'app', ...options, ...moving })),
    close: async () => {
      await here.close()
      await there.close()
    },
  }
}

async function contentOf(disk: SqliteDisk): Promise<{ rows: unknown; sound: unknown; db: Database }> {
  const db = await connect(await startSqlite('asyncify'), 'app.db', disk)
  const [[rows]] = (await db.run('SELECT count(*) FROM t')) as [[number]]
  const [[sound]] = (await db.run('PRAGMA integrity_check')) as [[string]]
  return { rows, sound, db }
}

const imageOf = (storage: MemoryStorage): MemoryStorage => {
  const bytes = new Uint8Array(SIZE)
  storage.readAtSync(bytes, 0)
  const image = new MemoryStorage(SIZE)
  image.writeAtSync(bytes, 0)
  return image
}

const MOVED = 'attempt to write a readonly database'

describe.each(['pre-copy', 'auto', 'post-copy'] as const)('a database that is being written, with %s,', (strategy) => {
  it('moves to another device, where it goes on with all that was committed', async () => {
    const from = new MemoryStorage(SIZE)
    const use = await inUse(from)
    const sent = await use.send({ strategy })
    expect(sent.acknowledged).toBe(true)
    const received = await use.receiving
    await received.handedOver
    // The writer was told, and nothing that it was told is committed is missing there.
    const { told, acknowledged } = await use.rows()
    expect(told).toBe(MOVED)
    const there = await contentOf(await SqliteDisk.open(received.disk))
    expect(there).toMatchObject({ rows: acknowledged, sound: 'ok' })
    await there.db.run('INSERT INTO t (x) VALUES (1)')
    await expect(SqliteDisk.open(from)).rejects.toMatchObject({ code: 'NOT_OWNER' })
    await use.close()
  })

  it('is not written here any more once it was given away, also when the link is lost then', async () => {
    const from = new MemoryStorage(SIZE)
    const use = await inUse(from)
    const received = use.receiving
    const cut = journal((state) => {
      // The last word does not reach the other side.
      if (state === 'released') void use.here.close(new StorageError('PEER_LOST'))
    })
    const sent = await use.send({ strategy, journal: await cut }).catch((error: StorageError) => error.code)
    // Where blocks were still to follow it is a failure, else all that is missing is the word of the other side.
    if (strategy === 'post-copy') expect(sent).toBe('PEER_LOST')
    if (strategy === 'pre-copy') expect(sent).toMatchObject({ acknowledged: false })
    expect(use.disk.isHere).toBe(false)
    expect((await use.rows()).told).toBe(MOVED)
    await expect(SqliteDisk.open(from)).rejects.toMatchObject({ code: 'NOT_OWNER' })
    await received
    await use.close()
  })
})

it('a database is not written here any more when only the last flush of the source failed', async () => {
  const from = new FlakyStorage(new MemoryStorage(SIZE))
  const use = await inUse(from)
  const fails = journal((state) => {
    if (state === 'gone') from.plan = ({ operation }) => (operation === 'flush' ? {} : undefined)
  })
  await expect(use.send({ journal: await fails })).rejects.toMatchObject({ code: 'FLUSH_FAILED' })
  expect(use.disk.isHere).toBe(false)
  const received = await use.receiving
  await received.handedOver
  const { told, acknowledged } = await use.rows()
  expect(told).toBe(MOVED)
  expect(await contentOf(await SqliteDisk.open(received.disk))).toMatchObject({ rows: acknowledged, sound: 'ok' })
  await use.close()
})

it('a database whose hand-over could not be recorded goes on here, also after a crash, and moves the next time', async () => {
  const from = new MemoryStorage(SIZE)
  const use = await inUse(from)
  let left: MemoryStorage | undefined
  const refuses = journal((state) => {
    if (state !== 'released') return
    left = imageOf(from)
    throw new StorageError('WRITE_FAILED')
  })
  await expect(use.send({ journal: await refuses })).rejects.toMatchObject({ code: 'WRITE_FAILED' })
  expect(use.disk.isHere).toBe(true)
  // Before anything else was written.
  expect((await SqliteDisk.open(imageOf(from))).isHere).toBe(true)
  // A crash in between: the disk alone cannot tell, and the journal can.
  await expect(SqliteDisk.open(left!)).rejects.toMatchObject({ code: 'NOT_OWNER' })
  expect((await contentOf(await SqliteDisk.open(left!, { takeBack: true }))).sound).toBe('ok')
  expect((await SqliteDisk.open(left!)).isHere).toBe(true)
  const before = (await use.db.run('SELECT count(*) FROM t'))[0]![0] as number
  await use.close()

  const { here, there } = await connectBoth()
  const receiving = receiveDisk({ connection: there, create: ({ size }) => new MemoryStorage(size) })
  await moveAway(use.disk, (moving) => sendDisk({ connection: here, name: 'app', ...moving }))
  const { disk, handedOver } = await receiving
  await handedOver
  const { told, acknowledged } = await use.rows()
  expect(told).toBe(MOVED)
  expect(acknowledged).toBeGreaterThan(before)
  expect(await contentOf(await SqliteDisk.open(disk))).toMatchObject({ rows: acknowledged, sound: 'ok' })
  await here.close()
  await there.close()
})

it('a database that is moving does not move a second time meanwhile', async () => {
  const use = await inUse(new MemoryStorage(SIZE))
  const first = use.send()
  await expect(use.send()).rejects.toMatchObject({ code: 'BUSY' })
  await first
  await expect(use.send()).rejects.toMatchObject({ code: 'NOT_OWNER' })
  await use.close()
})
