import { beforeAll, describe, expect, it } from 'vitest'
import { SqliteDisk } from '../../../src/adapters/sqlite/sqlite-disk.ts'
import { moveAway, swap } from '../../../src/adapters/sqlite/swap.ts'
import { seededRandom } from '../../../src/async/random.ts'
import { receiveDisk } from '../../../src/devices/receive-disk.ts'
import { sendDisk } from '../../../src/devices/send-disk.ts'
import { errorCode } from '../../../src/errors/storage-error.ts'
import type { OwnershipState } from '../../../src/migration/journal/ownership.ts'
import { openConnection } from '../../../src/protocol/connection.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { memoryChannels } from '../../../src/transports/memory.ts'
import { type CrashKind, CrashWorld } from '../../support/crash-world.ts'
import { connect, type Database, type RunningSqlite, startSqlite } from '../../support/sqlite-in-node.ts'
import { ToldJournal } from '../../support/told-journal.ts'

const SIZE = 512 * 1024
const seed = Number(process.env.FERRY_SEED ?? Math.floor(Math.random() * 2 ** 31))

let writing: RunningSqlite
let reading: RunningSqlite
let images = 0

beforeAll(async () => {
  writing = await startSqlite('asyncify')
  reading = await startSqlite('sync')
})

/** How many transactions a disk holds; fails unless it is those, whole, and the database is sound. */
async function transactionsOn(disk: SqliteDisk): Promise<number> {
  const name = `image-${images++}`
  const db = await connect(reading, name, disk)
  try {
    expect(await db.run('PRAGMA integrity_check')).toEqual([['ok']])
    const [[tables]] = (await db.run("SELECT count(*) FROM sqlite_schema WHERE name = 't'")) as [[number]]
    if (tables === 0) return 0
    const [[count, last, sum]] = (await db.run('SELECT count(*), max(n), total(n) FROM t')) as [
      [number, number, number],
    ]
    if (count === 0) return 0
    expect([last, sum]).toEqual([count, (count * (count + 1)) / 2])
    expect(await db.run('SELECT value FROM counter')).toEqual([[count]])
    return count
  } finally {
    await db.close()
    reading.vfs.remove(name)
  }
}

function storageOf(image: Uint8Array): MemoryStorage {
  const storage = new MemoryStorage(image.length)
  storage.writeAtSync(image, 0)
  return storage
}

const CREATE =
  'BEGIN; CREATE TABLE t (n INTEGER PRIMARY KEY, x); CREATE TABLE counter (value); INSERT INTO counter VALUES (0); COMMIT'

/** Touches pages all over the database, lets it grow and shrink, and now and then begins what it does not end. */
async function transact(db: Database, number: number): Promise<void> {
  await db.run(`BEGIN; INSERT INTO t VALUES (${number}, randomblob(3000)); UPDATE counter SET value = ${number};
    UPDATE t SET x = ${number % 4 === 0 ? "''" : 'randomblob(2000)'} WHERE n % 3 = ${number % 3}; COMMIT`)
  if (number % 3 === 0) await db.run('BEGIN; DELETE FROM t; UPDATE counter SET value = -1; ROLLBACK')
}

describe.each<[CrashKind, string]>([
  ['kill', 'PRAGMA journal_mode=delete'],
  ['kill', 'PRAGMA journal_mode=truncate; PRAGMA synchronous=off'],
  ['kill', 'PRAGMA cache_size=2'],
  ['power', 'PRAGMA journal_mode=delete'],
  ['power', 'PRAGMA journal_mode=truncate; PRAGMA synchronous=normal'],
  ['power', 'PRAGMA cache_size=2'],
])('after a crash (%s) with %s', (kind, pragmas) => {
  it(`every committed transaction is there, and nothing of one that was not (seed ${seed})`, async () => {
    const world = new CrashWorld()
    const disk = await SqliteDisk.open(world.storage('disk', SIZE))
    const name = `app-${images++}`
    const db = await connect(writing, name, disk)
    await db.run(pragmas)
    await db.run(CREATE)
    const from = world.events
    const committedAt = [from]
    for (let number = 1; number <= 6; number++) {
      await transact(db, number)
      committedAt.push(world.mark())
    }
    await db.close()
    const random = seededRandom(seed)
    let wrecks = 0
    for (const { at, images } of world.wrecks(kind, { random, perPoint: 2, from })) {
      const committed = committedAt.findLastIndex((event) => event <= at)
      const found = await transactionsOn(await SqliteDisk.open(storageOf(images.get('disk')!)))
      expect(found, `at event ${at}`).toBeGreaterThanOrEqual(committed)
      expect(found, `at event ${at}`).toBeLessThanOrEqual(committed + 1)
      wrecks++
    }
    expect(wrecks).toBeGreaterThan(100)
  }, 60_000)
})

describe.each<CrashKind>(['kill', 'power'])('after a crash (%s) in the middle of a swap', (kind) => {
  it(`exactly one of the two disks has the database, with all that was committed (seed ${seed})`, async () => {
    const world = new CrashWorld()
    const disk = await SqliteDisk.open(world.storage('origin', SIZE))
    const db = await connect(writing, `app-${images++}`, disk)
    await db.run(CREATE)
    await transact(db, 1)
    const from = world.mark()
    await swap(disk, world.storage('destination', SIZE))
    await transact(db, 2)
    const to = world.mark()
    await db.close()
    const random = seededRandom(seed)
    const found = { origin: 0, destination: 0 }
    for (const { at, images } of world.wrecks(kind, { random, perPoint: 3, from, to })) {
      const [origin, destination] = [storageOf(images.get('origin')!), storageOf(images.get('destination')!)]
      const open = await Promise.allSettled([
        SqliteDisk.open(origin),
        // A disk on which nothing was written yet would be taken for an empty one.
        images.get('destination')!.every((byte) => byte === 0)
          ? Promise.reject(new Error('nothing is there'))
          : SqliteDisk.open(destination, { origin }),
      ])
      const owners = open.filter((end) => end.status === 'fulfilled')
      expect(
        owners,
        `at event ${at}: ${open.map((end) => end.status === 'rejected' && errorCode(end.reason))}`,
      ).toHaveLength(1)
      found[open[0].status === 'fulfilled' ? 'origin' : 'destination']++
      expect(await transactionsOn(owners[0]!.value), `at event ${at}`).toBeGreaterThanOrEqual(at === to ? 2 : 1)
    }
    expect(Math.min(found.origin, found.destination)).toBeGreaterThan(3)
  }, 60_000)
})

describe.each<CrashKind>(['kill', 'power'])('after a crash (%s) in the middle of a move to another device', (kind) => {
  it(`never do both have the database, and whoever owns the disk has all that was committed (seed ${seed})`, async () => {
    const world = new CrashWorld()
    const disk = await SqliteDisk.open(world.storage('here', SIZE))
    const db = await connect(writing, `app-${images++}`, disk)
    await db.run(CREATE)
    await transact(db, 1)
    const from = world.mark()
    /** When each side began to write down whose the disk is. */
    const at = new Map<string, number>()
    const { a, b } = memoryChannels()
    const [here, there] = await Promise.all([
      openConnection([a], { role: 'dialer' }),
      openConnection([b], { role: 'listener' }),
    ])
    const journalOf = (side: string) => (disk: { size: number; blockSize: number }) =>
      ToldJournal.of(disk, (state: OwnershipState) => void at.set(`${side} ${state}`, world.mark()))
    const receiving = receiveDisk({
      connection: there,
      create: ({ size }) => world.storage('there', size),
      journal: journalOf('there'),
    })
    const journal = await journalOf('here')({ size: SIZE, blockSize: 65_536 })
    await moveAway(disk, (moving) => sendDisk({ connection: here, name: 'app', journal, ...moving }))
    const { disk: arrived, handedOver } = await receiving
    await handedOver
    const moved = await connect(writing, `app-${images++}`, await SqliteDisk.open(arrived))
    await transact(moved, 2)
    const to = world.mark()
    await db.close()
    await moved.close()

    const [releasedAt, ownedAt] = [at.get('here released')!, at.get('there owner')!]
    expect(ownedAt).toBeGreaterThan(releasedAt)
    const random = seededRandom(seed)
    const seen = { here: 0, 'here, by its journal': 0, nowhere: 0, there: 0 }
    for (const { at, images } of world.wrecks(kind, { random, perPoint: 3, from, to })) {
      const image = storageOf(images.get('here')!)
      const opened = await SqliteDisk.open(image).catch(errorCode)
      if (opened instanceof SqliteDisk) {
        expect(at, 'what was given away does not open').toBeLessThan(releasedAt)
        expect(await transactionsOn(opened), `at event ${at}`).toBe(1)
        seen.here++
        continue
      }
      expect(opened).toBe('NOT_OWNER')
      if (at < releasedAt) {
        expect(await transactionsOn(await SqliteDisk.open(image, { takeBack: true })), `at event ${at}`).toBe(1)
        seen['here, by its journal']++
      } else if (at < ownedAt) seen.nowhere++
      else {
        const there = await SqliteDisk.open(storageOf(images.get('there')!))
        expect(await transactionsOn(there), `at event ${at}`).toBeGreaterThanOrEqual(at === to ? 2 : 1)
        seen.there++
      }
    }
    // Between the two words both sides wait for each other, by their journals.
    expect(Math.min(...Object.values(seen)), JSON.stringify(seen)).toBeGreaterThan(0)
    await here.close()
    await there.close()
  }, 60_000)
})
