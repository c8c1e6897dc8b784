// @ts-expect-error The package has no types for this file.
import { AccessHandlePoolVFS } from '@journeyapps/wa-sqlite/src/examples/AccessHandlePoolVFS.js'
import { SqliteDisk } from '../../../src/adapters/sqlite/sqlite-disk.ts'
import type { SqliteModule } from '../../../src/adapters/sqlite/sqlite-module.ts'
import { chooseBuild } from '../../../src/adapters/sqlite/sqlite-module.ts'
import { swap } from '../../../src/adapters/sqlite/swap.ts'
import { IndexedDbStorage } from '../../../src/sources/indexeddb.ts'
import { OpfsStorage } from '../../../src/sources/opfs.ts'
import { type AnyVfs, connectTo, type Database, startSqlite } from '../../support/sqlite-in-browser.ts'
import type { BenchmarkResult } from '../benchmark.ts'
import { measureBeside, median, spread } from '../measure.ts'

/** What the worker is asked to measure. */
export interface SqliteBenchmark {
  readonly name: 'sqlite-inserts' | 'sqlite-swap'
  readonly toy: boolean
}

const MIB = 2 ** 20

/** A table with an index, and as many rows as asked for, each in a transaction of its own. */
async function insertsPerSecond(db: Database, rows: number): Promise<number> {
  await db.run(
    'DROP TABLE IF EXISTS t; CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, value REAL); CREATE INDEX i ON t (name)',
  )
  const startedAt = performance.now()
  for (let row = 0; row < rows; row++)
    await db.run(`INSERT INTO t (name, value) VALUES ('name ${(row * 7919) % rows}', ${row / 3})`)
  return rows / ((performance.now() - startedAt) / 1000)
}

/** Our file system over OPFS, beside the one of the same build that is made for it, `AccessHandlePoolVFS`; both synchronous, both as they come. */
async function inserts(toy: boolean): Promise<BenchmarkResult> {
  const rows = toy ? 20 : 200
  const theirs = await startSqlite('sync', (module) => poolVfs('bench-pool', module))
  const theirDb = await theirs.connect('bench.db')
  const disk = await SqliteDisk.open(await OpfsStorage.open('bench-sqlite', { size: 64 * MIB }))
  const ourDb = await connectTo(disk, 'sync')
  const result = await measureBeside({
    unit: 'rows/s',
    runs: toy ? 1 : 7,
    better: 'higher',
    limit: () => insertsPerSecond(theirDb, rows),
    ours: () => insertsPerSecond(ourDb, rows),
  })
  await ourDb.close()
  await disk.close()
  return result
}

function poolVfs(name: string, module: SqliteModule): Promise<AnyVfs> {
  return AccessHandlePoolVFS.create(name, module) as Promise<AnyVfs>
}

/** The longest time for which a query that ran all the time had to wait while the database moved, in runs of their own. */
async function swapping(toy: boolean): Promise<BenchmarkResult> {
  const size = (toy ? 4 : 320) * MIB
  const content = (toy ? 1 : 256) * MIB
  const pauses: number[] = []
  const longest: number[] = []
  const usual: number[] = []
  for (let run = 0; run < (toy ? 1 : 3); run++) {
    const indexedDb = await IndexedDbStorage.open(`bench-swap-${run}`, { size })
    const disk = await SqliteDisk.open(indexedDb)
    const filler = await connectTo(disk, 'asyncify')
    await fill(filler, content)
    await filler.close()
    const db = await connectTo(disk, chooseBuild(disk))
    const opfs = await OpfsStorage.open(`bench-swap-${run}`, { size })
    const waits: number[] = []
    let isOver = false
    const querying = (async () => {
      for (let number = 0; !isOver; number++) {
        const startedAt = performance.now()
        await db.run(`INSERT INTO log VALUES (${number})`)
        waits.push(performance.now() - startedAt)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    })()
    await new Promise((resolve) => setTimeout(resolve, toy ? 50 : 2000))
    usual.push(...waits.splice(0))
    const { pauseMs, origin } = await swap(disk, opfs)
    isOver = true
    await querying
    pauses.push(pauseMs)
    longest.push(Math.max(...waits))
    const [[sound]] = (await db.run('PRAGMA quick_check')) as [[string]]
    if (sound !== 'ok') throw new Error(sound)
    await db.close()
    await disk.close()
    await origin.close()
    await IndexedDbStorage.delete(`bench-swap-${run}`)
    await OpfsStorage.delete(`bench-swap-${run}`)
  }
  return {
    value: median(pauses),
    unit: 'ms',
    limit: null,
    ratio: null,
    runs: pauses.length,
    spread: spread(pauses),
    note: `no transaction could begin for so long; the slowest query of a whole move took ${median(longest).toFixed(0)} ms, of the two seconds before it ${Math.max(...usual).toFixed(0)} ms`,
  }
}

/** Rows of random bytes that take so much room, and a table for the queries. */
async function fill(db: Database, bytes: number): Promise<void> {
  await db.run('PRAGMA synchronous=off; CREATE TABLE log (n INTEGER); CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB)')
  for (let at = 0; at < bytes; at += 8 * MIB) {
    await db.run(`WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ${Math.min(bytes, 8 * MIB) / 65_536})
      INSERT INTO t (x) SELECT randomblob(65000) FROM c`)
  }
  await db.run('PRAGMA synchronous=full')
}

addEventListener('message', async ({ data: { name, toy } }: MessageEvent<SqliteBenchmark>) => {
  try {
    postMessage({ result: await (name === 'sqlite-inserts' ? inserts : swapping)(toy) })
  } catch (error) {
    postMessage({ error: error instanceof Error ? String(error.stack) : String(error) })
  }
})
