import { describe, expect, it, vi } from 'vitest'
import { SqliteDisk } from '../../../src/adapters/sqlite/sqlite-disk.ts'
import { moveAway, swap } from '../../../src/adapters/sqlite/swap.ts'
import { migrateLive } from '../../../src/migration/migrate-live.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { StorageWrapper } from '../../../src/storage/wrapper.ts'
import { FlakyStorage } from '../../support/flaky-storage.ts'
import { connect, type Database, startSqlite } from '../../support/sqlite-in-node.ts'

const SIZE = 16 * 2 ** 20

/** A storage that answers some turns later. */
class Later extends StorageWrapper<MemoryStorage> {
  constructor() {
    super(new MemoryStorage(SIZE))
    delete this.readAtSync
    delete this.flushSync
  }

  override async flush(): Promise<void> {
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
    await super.flush()
  }
}

/** Inserts one number after the other until it is told to stop; resolves with how many. */
function insertAllTheTime(db: Database): { stop(): Promise<number> } {
  let isOver = false
  let number = 0
  const writing = (async () => {
    while (!isOver) {
      await db.run(`INSERT INTO t VALUES (${number}, hex(randomblob(200)))`)
      number++
      await new Promise(setImmediate)
    }
  })()
  return {
    stop: async () => {
      isOver = true
      await writing
      return number
    },
  }
}

describe('a database that is in use', () => {
  it.each(['sync', 'asyncify'] as const)(
    'moves there and back five times under a writer in a second connection, and no row is missing (%s)',
    async (build) => {
      const places = [new MemoryStorage(SIZE), build === 'sync' ? new MemoryStorage(SIZE) : new Later()]
      const disk = await SqliteDisk.open(places[0]!)
      const reader = await connect(await startSqlite(build), 'app.db', disk)
      const writer = await connect(await startSqlite('asyncify'), 'app.db', disk)
      await reader.run('CREATE TABLE t (n INTEGER PRIMARY KEY, x TEXT)')
      const inserting = insertAllTheTime(writer)
      for (let move = 1; move <= 10; move++) {
        const [before] = await reader.run('SELECT count(*) FROM t')
        const { origin, root } = await swap(disk, places[move % 2]!)
        expect(origin).toBe(places[(move + 1) % 2])
        expect(disk.provider).toBe(places[move % 2])
        expect(root).toHaveLength(16)
        const [after] = await reader.run('SELECT count(*) FROM t')
        expect(after![0]).toBeGreaterThanOrEqual(before![0] as number)
        await expect(SqliteDisk.open(origin)).rejects.toMatchObject({ code: 'NOT_OWNER' })
      }
      const count = await inserting.stop()
      expect(count).toBeGreaterThan(10)
      expect(await reader.run('SELECT count(*), max(n) FROM t')).toEqual([[count, count - 1]])
      expect(await reader.run('PRAGMA integrity_check')).toEqual([['ok']])
      await reader.close()
      await writer.close()
      const again = await connect(await startSqlite('sync'), 'app.db', await SqliteDisk.open(places[0]!))
      expect(await again.run('SELECT count(*) FROM t')).toEqual([[count]])
    },
  )

  it('moves although a connection runs one statement after the other and never lets anything else run', async () => {
    const disk = await SqliteDisk.open(new MemoryStorage(SIZE))
    const db = await connect(await startSqlite('sync'), 'app.db', disk)
    await db.run('CREATE TABLE t (x)')
    let isOver = false
    const moving = swap(disk, new MemoryStorage(SIZE)).finally(() => {
      isOver = true
    })
    let rows = 0
    for (; !isOver && rows < 100_000; rows++) await db.run(`INSERT INTO t VALUES (${rows})`)
    await moving
    expect(rows).toBeLessThan(100_000)
    expect(await db.run('SELECT count(*) FROM t')).toEqual([[rows]])
  })

  it('leaves the origin as it is: not a byte is written there any more', async () => {
    const [from, to] = [new MemoryStorage(SIZE), new MemoryStorage(SIZE)]
    const disk = await SqliteDisk.open(from)
    const db = await connect(await startSqlite('sync'), 'app.db', disk)
    await db.run('CREATE TABLE t (x); INSERT INTO t VALUES (1)')
    await swap(disk, to)
    const left = new Uint8Array(SIZE)
    from.readAtSync(left, 0)
    await db.run('INSERT INTO t VALUES (2); UPDATE t SET x = 3')
    const now = new Uint8Array(SIZE)
    from.readAtSync(now, 0)
    expect(Buffer.compare(left, now)).toBe(0)
  })

  it('stays where it is when the move fails, and can move later', async () => {
    const from = new MemoryStorage(SIZE)
    const disk = await SqliteDisk.open(from)
    const db = await connect(await startSqlite('asyncify'), 'app.db', disk)
    await db.run('CREATE TABLE t (x); INSERT INTO t VALUES (1)')
    const broken = new FlakyStorage(new MemoryStorage(SIZE), ({ operation, number }) =>
      operation === 'flush' && number > 1 ? {} : undefined,
    )
    await expect(swap(disk, broken)).rejects.toMatchObject({ code: 'FLUSH_FAILED' })
    expect(disk.provider).toBe(from)
    await db.run('INSERT INTO t VALUES (2)')
    const aborted = AbortSignal.abort()
    await expect(swap(disk, new MemoryStorage(SIZE), { signal: aborted })).rejects.toMatchObject({ code: 'ABORTED' })
    await db.run('INSERT INTO t VALUES (3)')
    await swap(disk, new MemoryStorage(SIZE))
    expect(await db.run('SELECT count(*) FROM t')).toEqual([[3]])
  })

  it('waits for the end of a transaction, and the next one waits for the move', async () => {
    const disk = await SqliteDisk.open(new MemoryStorage(SIZE))
    const running = await startSqlite('sync')
    const db = await connect(running, 'app.db', disk)
    await db.run('CREATE TABLE t (x); BEGIN; INSERT INTO t VALUES (1)')
    let isOver = false
    const moving = swap(disk, new MemoryStorage(SIZE)).then(() => {
      isOver = true
    })
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    expect(isOver).toBe(false)
    await db.run('COMMIT')
    await db.run('INSERT INTO t VALUES (2)')
    await moving
    expect(await db.run('SELECT count(*) FROM t')).toEqual([[2]])
  })

  it.each(['before it moves', 'when it is about to be handed over'])(
    'stays where it is when it is aborted while a transaction is under way %s, and everybody goes on',
    async (when) => {
      const from = new MemoryStorage(SIZE)
      const disk = await SqliteDisk.open(from)
      const db = await connect(await startSqlite('asyncify'), 'app.db', disk)
      const other = await connect(await startSqlite('asyncify'), 'app.db', disk)
      await db.run('CREATE TABLE t (x)')
      const begin = () => db.run('BEGIN IMMEDIATE; INSERT INTO t VALUES (1)')
      let tellBegun = () => {}
      const begun = new Promise<void>((resolve) => {
        tellBegun = resolve
      })
      const destination = new (class extends Later {
        override async flush(): Promise<void> {
          await begun
          await super.flush()
        }
      })()
      if (when === 'before it moves') await begin()
      const stop = new AbortController()
      const moving = swap(disk, destination, { signal: stop.signal }).catch((error: unknown) => error)
      if (when !== 'before it moves') {
        await vi.waitUntil(() => disk.provider !== from)
        await begin()
      }
      tellBegun()
      // It waits for the end of the transaction.
      await vi.waitUntil(() => disk.locks.isPaused)
      stop.abort()
      expect(await moving).toMatchObject({ code: 'ABORTED' })
      await db.run('COMMIT')
      await other.run('INSERT INTO t VALUES (2)')
      expect(disk.provider).toBe(from)
      expect((await SqliteDisk.open(from)).databaseBytes).toBeGreaterThan(0)
    },
  )

  it('resolves also when the destination cannot say that it has it, and says that the origin is still needed', async () => {
    const disk = await SqliteDisk.open(new MemoryStorage(SIZE))
    const db = await connect(await startSqlite('asyncify'), 'app.db', disk)
    await db.run('CREATE TABLE t (x); INSERT INTO t VALUES (1)')
    const inside = new MemoryStorage(SIZE)
    const broken: FlakyStorage = new FlakyStorage(inside, ({ operation }) =>
      operation !== 'read' && disk.provider === broken ? {} : undefined,
    )
    const { origin, doubt } = await swap(disk, broken)
    expect(doubt).toMatchObject({ code: 'WRITE_FAILED' })
    expect(disk.provider).toBe(broken)
    await expect(SqliteDisk.open(inside)).rejects.toMatchObject({ code: 'IN_DOUBT' })
    broken.plan = undefined
    await db.run('INSERT INTO t VALUES (2)')
    expect((await SqliteDisk.open(inside)).isHere).toBe(true)
    await expect(SqliteDisk.open(origin)).rejects.toMatchObject({ code: 'NOT_OWNER' })
    expect((await swap(disk, new MemoryStorage(SIZE))).doubt).toBe(undefined)
  })

  it('does not move to a storage of another size', async () => {
    const disk = await SqliteDisk.open(new MemoryStorage(SIZE))
    await expect(swap(disk, new MemoryStorage(SIZE * 2))).rejects.toMatchObject({ code: 'SIZE_MISMATCH' })
  })
})

it('a database that moved away can be read and not written, and its disk is refused', async () => {
  const [from, to] = [new MemoryStorage(SIZE), new MemoryStorage(SIZE)]
  const disk = await SqliteDisk.open(from)
  const db = await connect(await startSqlite('sync'), 'app.db', disk)
  await db.run('CREATE TABLE t (x); INSERT INTO t VALUES (1)')
  await moveAway(disk, (moving) => migrateLive({ ...moving, destination: to }))
  expect(await db.run('SELECT * FROM t')).toEqual([[1]])
  await expect(db.run('INSERT INTO t VALUES (2)')).rejects.toThrow('readonly')
  await expect(SqliteDisk.open(from)).rejects.toMatchObject({ code: 'NOT_OWNER' })
  const there = await connect(await startSqlite('sync'), 'app.db', await SqliteDisk.open(to))
  expect(await there.run('SELECT * FROM t')).toEqual([[1]])
  await there.run('INSERT INTO t VALUES (2)')
  expect(await there.run('PRAGMA integrity_check')).toEqual([['ok']])
})
