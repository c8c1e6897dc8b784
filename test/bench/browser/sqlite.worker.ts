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

/** A query, and how long whoever asked had to wait for it. */
interface Wait {
  readonly at: number
  readonly ms: number
}

/**
 * The longest wait for a query that was under way when the database was handed over, each an insert that is durable when it ends, one after the other; and
 * what else befell queries, in runs of their own.
 */
async function swapping(toy: boolean): Promise<BenchmarkResult> {
  const size = (toy ? 4 : 320) * MIB
  const content = (toy ? 1 : 256) * MIB
  const around: number[] = []
  const pauses: number[] = []
  const before: number[][] = []
  const during: number[][] = []
  for (let run = 0; run < (toy ? 1 : 3); run++) {
    const indexedDb = await IndexedDbStorage.open(`bench-swap-${run}`, { size })
    const disk = await SqliteDisk.open(indexedDb)
    const filler = await connectTo(disk, 'asyncify')
    await fill(filler, content)
    await filler.close()
    const db = await connectTo(disk, chooseBuild(disk))
    const opfs = await OpfsStorage.open(`bench-swap-${run}`, { size })
    const waits: Wait[] = []
    let isOver = false
    const querying = (async () => {
      for (let number = 0; !isOver; number++) {
        const at = performance.now()
        await db.run(`INSERT INTO log VALUES (${number})`)
        waits.push({ at, ms: performance.now() - at })
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    })()
    await new Promise((resolve) => setTimeout(resolve, toy ? 50 : 2000))
    before.push(waits.splice(0).map(({ ms }) => ms))
    let stoppedAt = Number.POSITIVE_INFINITY
    const { pauseMs, origin } = await swap(disk, opfs, {
      progressHandler: ({ phase }) => {
        if (phase === 'locked') stoppedAt = Math.min(stoppedAt, performance.now())
      },
    })
    const endedAt = performance.now()
    isOver = true
    await querying
    pauses.push(pauseMs)
    const met = waits.filter(({ at, ms }) => at <= endedAt && at + ms >= stoppedAt)
    around.push(Math.max(...met.map(({ ms }) => ms)))
    during.push(waits.map(({ ms }) => ms))
    const [[sound]] = (await db.run('PRAGMA quick_check')) as [[string]]
    if (sound !== 'ok') throw new Error(sound)
    await db.close()
    await disk.close()
    await origin.close()
    // A busy machine takes its time to let go of what was closed.
    const options = { lockTimeoutMs: 60_000 }
    await IndexedDbStorage.delete(`bench-swap-${run}`, options)
    await OpfsStorage.delete(`bench-swap-${run}`, options)
  }
  const ms = (values: readonly number[]) => `${median(values).toFixed(0)} ms`
  const longest = (runs: readonly number[][]) => ms(runs.map((waits) => Math.max(...waits)))
  return {
    value: median(around),
    unit: 'ms',
    limit: null,
    ratio: null,
    runs: around.length,
    spread: spread(around),
    note:
      `the longest query around the hand-over, in which no transaction could begin for ${median(pauses).toFixed(1)} ms; during the whole move the longest took ` +
      `${longest(during)} and the middle one ${ms(during.flat())}, in the two seconds before it ${longest(before)} and ${ms(before.flat())}`,
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
