// @ts-expect-error The package has no types for this file.
import { AccessHandlePoolVFS } from '@journeyapps/wa-sqlite/src/examples/AccessHandlePoolVFS.js'
import { IDBBatchAtomicVFS } from '@journeyapps/wa-sqlite/src/examples/IDBBatchAtomicVFS.js'
// @ts-expect-error The same.
import { OPFSCoopSyncVFS } from '@journeyapps/wa-sqlite/src/examples/OPFSCoopSyncVFS.js'
import sqlite3InitModule from '@sqlite.org/sqlite-wasm'
import { type DatabaseBytes, exportDatabase, importDatabase } from '../../../src/adapters/sqlite/database-bytes.ts'
import { readIdbBatchAtomic, writeIdbBatchAtomic } from '../../../src/adapters/sqlite/idb-batch-atomic.ts'
import { readOpfsFile, writeOpfsFile } from '../../../src/adapters/sqlite/opfs-files.ts'
import { listOpfsPool, type OpfsPool, readOpfsPool, writeOpfsPool } from '../../../src/adapters/sqlite/opfs-pool.ts'
import { SqliteDisk } from '../../../src/adapters/sqlite/sqlite-disk.ts'
import type { SqliteBuild, SqliteModule } from '../../../src/adapters/sqlite/sqlite-module.ts'
import { swap } from '../../../src/adapters/sqlite/swap.ts'
import { errorCode } from '../../../src/errors/storage-error.ts'
import { IndexedDbStorage } from '../../../src/sources/indexeddb.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { OpfsStorage } from '../../../src/sources/opfs.ts'
import { type AnyVfs, connectTo, type Database, startSqlite } from '../../support/sqlite-in-browser.ts'

const SIZE = 8 * 2 ** 20

const FILL = `CREATE TABLE t (n INTEGER PRIMARY KEY, x TEXT);
  WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2000) INSERT INTO t SELECT n, hex(randomblob(400)) FROM c`
const SUM = 'SELECT count(*), sum(length(x)), min(x), max(x) FROM t'

/** What is in the database, when it is sound. */
async function contentOf(db: Database): Promise<string> {
  const [[sound]] = (await db.run('PRAGMA integrity_check')) as [[string]]
  return JSON.stringify([sound, await db.run(SUM)])
}

type TheirKind = 'pool' | 'coop' | 'idb'

const POOL: OpfsPool = { kind: 'wa-sqlite', folder: 'their-pool' }

/** Where file systems of wa-sqlite keep their databases, as we reach them. */
const PLACES = {
  pool: {
    read: (name: string) => readOpfsPool(POOL, name),
    write: (name: string, bytes: DatabaseBytes) => writeOpfsPool(POOL, name, bytes),
  },
  coop: { read: readOpfsFile, write: writeOpfsFile },
  idb: {
    read: (name: string) => readIdbBatchAtomic('their-idb', name),
    write: (name: string, bytes: DatabaseBytes) => writeIdbBatchAtomic('their-idb', name, bytes),
  },
}

/** A connection through a file system of wa-sqlite; `close` gives back what it holds. */
async function throughTheirs(kind: TheirKind, name: string): Promise<Database> {
  let vfs: AnyVfs | undefined
  const make = { pool: AccessHandlePoolVFS, coop: OPFSCoopSyncVFS, idb: IDBBatchAtomicVFS }[kind] as {
    create(name: string, module: SqliteModule): Promise<AnyVfs>
  }
  const running = await startSqlite(kind === 'idb' ? 'asyncify' : 'sync', async (module) => {
    vfs = await make.create(`their-${kind}`, module)
    return vfs
  })
  const db = await running.connect(name)
  return {
    run: db.run,
    close: async () => {
      await db.close()
      await vfs!.close()
    },
  }
}

/** Their database into ours and back under another name; what the three say is in it. */
async function thereAndBack(
  theirs: (name: string) => Promise<Database>,
  read: (name: string) => AsyncIterable<Uint8Array>,
  write: (name: string, bytes: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<string[]> {
  const first = await theirs('first.db')
  await first.run(FILL)
  const contents = [await contentOf(first)]
  await first.close()
  const disk = await SqliteDisk.open(new MemoryStorage(SIZE))
  await importDatabase(disk, read('/first.db'))
  const ours = await connectTo(disk, 'sync')
  contents.push(await contentOf(ours))
  await write('/second.db', exportDatabase(disk))
  const second = await theirs('second.db')
  contents.push(await contentOf(second))
  // It is theirs: it can be written.
  await second.run('INSERT INTO t (x) VALUES (1)')
  await second.close()
  return contents
}

/** What is run in the browser. */
const scenarios = {
  /** A writer in a second connection inserts all the time while the database moves from IndexedDB to OPFS and back five times. */
  moves: async (build: SqliteBuild) => {
    await IndexedDbStorage.delete('moving')
    await OpfsStorage.delete('moving')
    const size = SIZE
    let indexedDb = await IndexedDbStorage.open('moving', { size })
    const disk = await SqliteDisk.open(indexedDb)
    const reader = await connectTo(disk, build)
    const writer = await connectTo(disk, build)
    await reader.run(FILL)
    let isOver = false
    let number = 2000
    const writing = (async () => {
      while (!isOver) {
        await writer.run(`INSERT INTO t VALUES (${++number}, 'row ${number}')`)
        // Over OPFS nothing else would ever run in this worker, closing a storage included.
        await new Promise((resolve) => setTimeout(resolve))
      }
    })()
    const pauses: number[] = []
    for (let round = 0; round < 5; round++) {
      const opfs = await OpfsStorage.open('moving', { size })
      pauses.push((await swap(disk, opfs)).pauseMs)
      await indexedDb.close()
      await IndexedDbStorage.delete('moving')
      indexedDb = await IndexedDbStorage.open('moving', { size })
      pauses.push((await swap(disk, indexedDb)).pauseMs)
      await opfs.close()
      await OpfsStorage.delete('moving')
    }
    isOver = true
    await writing
    const [[rows, last]] = (await reader.run('SELECT count(*), max(n) FROM t')) as [[number, number]]
    const sound = await reader.run('PRAGMA integrity_check')
    await reader.close()
    await writer.close()
    await disk.close()
    const again = await connectTo(await SqliteDisk.open(await IndexedDbStorage.open('moving')), build)
    const kept = await again.run('SELECT count(*) FROM t')
    return { written: number, rows, last, sound, kept, pauses }
  },

  /** Opens the disk of another tab, or keeps it open for a while. */
  open: async (keepForMs: number) => {
    const provider = await OpfsStorage.open('shared', { size: SIZE, lockTimeoutMs: 50 })
    await SqliteDisk.open(provider)
    await new Promise((resolve) => setTimeout(resolve, keepForMs))
    await provider.close()
    return 'open'
  },

  theirs: (kind: TheirKind) => thereAndBack((name) => throughTheirs(kind, name), PLACES[kind].read, PLACES[kind].write),

  /** Ends in the middle of a transaction that does not fit into the page cache: the worker that ran it is terminated. */
  crash: async (kind: TheirKind) => {
    const db = await throughTheirs(kind, 'first.db')
    await db.run(`DROP TABLE IF EXISTS t; ${FILL}; PRAGMA cache_size=5`)
    await db.run("BEGIN; UPDATE t SET x = 'void' WHERE n <= 200")
    return 'in the middle'
  },

  /** What is read of what a crash left, and of a database with a log; and what its own program finds once another one was written over it. */
  unfinished: async (kind: TheirKind) => {
    const { read, write } = PLACES[kind]
    const codeOf = async () => {
      const disk = await SqliteDisk.open(new MemoryStorage(SIZE))
      return importDatabase(disk, read('/first.db')).then(() => 'imported', errorCode)
    }
    const disk = await SqliteDisk.open(new MemoryStorage(SIZE))
    const ours = await connectTo(disk, 'sync')
    await ours.run(FILL)
    const journal = await codeOf()
    await write('/first.db', exportDatabase(disk))
    const over = await throughTheirs(kind, 'first.db')
    const contents = [await contentOf(ours), await contentOf(over)]
    await over.close()
    const after = await codeOf()
    await write('/first.db-wal', [new Uint8Array(64).fill(4)])
    const log = await codeOf()
    await write('/first.db', exportDatabase(disk))
    return { journal, contents, after, log, afterLog: await codeOf() }
  },

  /** A journal as `journal_mode=persist` leaves it: its head is zero. */
  persistent: async () => {
    const disk = await SqliteDisk.open(new MemoryStorage(SIZE))
    const first = await connectTo(disk, 'sync')
    await first.run(FILL)
    await writeOpfsFile('/kept.db', exportDatabase(disk))
    await writeOpfsFile('/kept.db-journal', [new Uint8Array(512), new Uint8Array(4096).fill(4)])
    const again = await SqliteDisk.open(new MemoryStorage(SIZE))
    await importDatabase(again, readOpfsFile('/kept.db'))
    return [await contentOf(first), await contentOf(await connectTo(again, 'sync'))]
  },

  official: async () => {
    const sqlite3 = await sqlite3InitModule()
    const pool = await sqlite3.installOpfsSAHPoolVfs({ name: 'official', directory: 'official' })
    const ours: OpfsPool = { kind: 'official', folder: 'official' }
    let names: string[] = []
    const contents = await thereAndBack(
      async (name) => {
        await pool.unpauseVfs()
        const db = new pool.OpfsSAHPoolDb(`/${name}`)
        return {
          run: async (sql) => db.exec({ sql, rowMode: 'array', returnValue: 'resultRows' }) as unknown[][],
          close: async () => {
            db.close()
            pool.pauseVfs()
            names = await listOpfsPool(ours)
          },
        }
      },
      (name) => readOpfsPool(ours, name),
      (name, bytes) => writeOpfsPool(ours, name, bytes),
    )
    return { contents, names }
  },
}

/** One of them. */
export type ScenarioName = keyof typeof scenarios

addEventListener('message', async ({ data: { name, args } }: MessageEvent<{ name: ScenarioName; args: never[] }>) => {
  try {
    postMessage({ value: await (scenarios[name] as (...args: never[]) => Promise<unknown>)(...args) })
  } catch (error) {
    postMessage({ error: error instanceof Error ? `${error.name} ${error.stack}` : String(error) })
  }
})
