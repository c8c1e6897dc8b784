import { describe, expect, it } from 'vitest'
import { SqliteDisk } from '../../../src/adapters/sqlite/sqlite-disk.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { StorageWrapper } from '../../../src/storage/wrapper.ts'
import { FlakyStorage } from '../../support/flaky-storage.ts'
import { connect, startSqlite } from '../../support/sqlite-in-node.ts'

const MiB = 2 ** 20

/** A storage that answers later, as a database or a network does. */
class Later extends StorageWrapper<MemoryStorage> {
  constructor(size: number) {
    super(new MemoryStorage(size))
    delete this.readAtSync
    delete this.flushSync
  }
}

const builds: ['sync' | 'asyncify', string, (size: number) => StorageProvider][] = [
  ['sync', 'memory', (size) => new MemoryStorage(size)],
  ['asyncify', 'memory', (size) => new MemoryStorage(size)],
  ['asyncify', 'a storage that answers later', (size) => new Later(size)],
]

describe.each(builds)('the %s build over %s', (build, _, storage) => {
  it('keeps a database beyond the end of the connection and of the disk object', async () => {
    const provider = storage(16 * MiB)
    const first = await startSqlite(build)
    const disk = await SqliteDisk.open(provider)
    const db = await connect(first, 'app.db', disk)
    await db.run('CREATE TABLE t (x INTEGER PRIMARY KEY, y TEXT)')
    await db.run(`WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5000)
      INSERT INTO t SELECT n, hex(randomblob(100)) FROM c`)
    const sum = await db.run('SELECT count(*), sum(length(y)) FROM t')
    expect(sum).toEqual([[5000, 1_000_000]])
    await db.close()

    const again = await startSqlite(build)
    const reopened = await connect(again, 'app.db', await SqliteDisk.open(provider))
    expect(await reopened.run('PRAGMA integrity_check')).toEqual([['ok']])
    expect(await reopened.run('SELECT count(*), sum(length(y)) FROM t')).toEqual(sum)
    await reopened.close()
  })

  it.each(['delete', 'truncate', 'memory', 'off'])('commits and rolls back in journal mode %s', async (mode) => {
    const running = await startSqlite(build)
    const db = await connect(running, 'app.db', await SqliteDisk.open(storage(16 * MiB)))
    expect(await db.run(`PRAGMA journal_mode=${mode}`)).toEqual([[mode]])
    await db.run('CREATE TABLE t (x)')
    for (let number = 0; number < 20; number++) {
      await db.run(
        `BEGIN; INSERT INTO t VALUES (${number}); ${mode !== 'off' && number % 2 === 1 ? 'ROLLBACK' : 'COMMIT'}`,
      )
    }
    expect(await db.run('SELECT count(*) FROM t')).toEqual([[mode === 'off' ? 20 : 10]])
    expect(await db.run('PRAGMA integrity_check')).toEqual([['ok']])
    await db.close()
  })

  it('undoes a transaction larger than the page cache', async () => {
    const running = await startSqlite(build)
    const db = await connect(running, 'app.db', await SqliteDisk.open(storage(64 * MiB)))
    await db.run('PRAGMA cache_size=-200; CREATE TABLE t (x INTEGER PRIMARY KEY, y BLOB)')
    const fill = 'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000)'
    await db.run(`${fill} INSERT INTO t SELECT n, zeroblob(2000) FROM c`)
    await db.run('BEGIN; UPDATE t SET y = randomblob(2000); ROLLBACK')
    expect(await db.run('SELECT count(*) FROM t WHERE y = zeroblob(2000)')).toEqual([[3000]])
    expect(await db.run('PRAGMA integrity_check')).toEqual([['ok']])
    await db.run('DELETE FROM t WHERE x % 3 > 0; VACUUM')
    expect(await db.run('SELECT count(*) FROM t')).toEqual([[1000]])
    expect(await db.run('PRAGMA integrity_check')).toEqual([['ok']])
    await db.close()
  })

  it('refuses other journal modes with a sentence', async () => {
    const running = await startSqlite(build)
    const db = await connect(running, 'app.db', await SqliteDisk.open(storage(MiB)))
    for (const mode of ['wal', 'persist']) {
      await expect(db.run(`PRAGMA journal_mode=${mode}`)).rejects.toThrow(
        'journal_mode is one of delete, truncate, memory, off on this disk',
      )
    }
    await db.close()
  })

  it('says that the disk is full, and what was there stays', async () => {
    const running = await startSqlite(build)
    const db = await connect(running, 'app.db', await SqliteDisk.open(storage(MiB)))
    await db.run('CREATE TABLE t (x); INSERT INTO t VALUES (1)')
    await expect(db.run('INSERT INTO t VALUES (zeroblob(2000000))')).rejects.toThrow('full')
    expect(await db.run('SELECT * FROM t')).toEqual([[1]])
    await db.run('INSERT INTO t VALUES (2)')
    expect(await db.run('PRAGMA integrity_check')).toEqual([['ok']])
    await db.close()
  })
})

describe('connections that share a disk', () => {
  it('write by turns, each waiting for the other', async () => {
    const disk = await SqliteDisk.open(new MemoryStorage(16 * MiB))
    const connections = await Promise.all(
      (['sync', 'asyncify', 'sync', 'sync'] as const).map(async (build) =>
        connect(await startSqlite(build), 'app.db', disk),
      ),
    )
    await connections[0]!.run('CREATE TABLE t (who, number)')
    await Promise.all(
      connections.map(async (db, who) => {
        for (let number = 0; number < 50; number++) {
          await db.run(`BEGIN IMMEDIATE; INSERT INTO t VALUES (${who}, ${number})`)
          await undefined
          await db.run('COMMIT')
        }
      }),
    )
    expect(await connections[3]!.run('SELECT who, count(*) FROM t GROUP BY who')).toEqual(
      [0, 1, 2, 3].map((who) => [who, 50]),
    )
    expect(await connections[2]!.run('PRAGMA integrity_check')).toEqual([['ok']])
    for (const db of connections) await db.close()
  })

  it.each([1, 2])('are told instead of waiting for each other for ever, in %i instances', async (instances) => {
    const disk = await SqliteDisk.open(new MemoryStorage(MiB))
    const running = [await startSqlite('sync'), await startSqlite('sync')]
    const one = await connect(running[0]!, 'app.db', disk)
    const other = await connect(running[instances - 1]!, 'app.db', disk)
    await one.run('CREATE TABLE t (x); INSERT INTO t VALUES (0)')
    await one.run('BEGIN; SELECT * FROM t; INSERT INTO t VALUES (1)')
    await other.run('BEGIN; SELECT * FROM t')
    const [committed, written] = await Promise.allSettled([
      one.run('COMMIT'),
      other.run('INSERT INTO t VALUES (2)').finally(() => other.run('ROLLBACK')),
    ])
    expect(written).toMatchObject({ status: 'rejected', reason: { message: 'database is locked' } })
    // In one instance nobody can wait for the other's end: the commit is tried again by whoever wanted it.
    if (instances === 1) await one.run('COMMIT')
    else expect(committed).toMatchObject({ status: 'fulfilled' })
    expect(await other.run('SELECT count(*) FROM t')).toEqual([[2]])
    await one.close()
    await other.close()
  })

  it('go on after one of them could not write', async () => {
    const storage = new FlakyStorage(new Later(MiB))
    const disk = await SqliteDisk.open(storage)
    const one = await connect(await startSqlite('asyncify'), 'app.db', disk)
    const other = await connect(await startSqlite('asyncify'), 'app.db', disk)
    await one.run('CREATE TABLE t (x)')
    // Nothing is waited for before the lock is given back.
    await one.run('PRAGMA journal_mode=off; PRAGMA synchronous=off')
    storage.plan = ({ operation }) => (operation === 'write' ? {} : undefined)
    await one.run('INSERT INTO t VALUES (1)').catch(() => {})
    expect(storage.faults).toBeGreaterThan(0)
    storage.plan = undefined
    await other.run('INSERT INTO t VALUES (2)')
    await disk.locks.pause()
    disk.locks.resume()
  })
})
