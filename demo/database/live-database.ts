import * as SQLite from '@journeyapps/wa-sqlite'
import moduleFactory from '@journeyapps/wa-sqlite/dist/wa-sqlite-async.mjs'
import { systemClock } from '../../src/async/clock.ts'
import { IndexedDbStorage } from '../../src/sources/indexeddb.ts'
import { OpfsStorage } from '../../src/sources/opfs.ts'
import { type SqliteDisk, SqliteVfs } from '../../src/sqlite.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import type { DatabasePlace, Inserts } from './messages.ts'

/** Bytes of the disk that the database lies on. */
export const DISK_BYTES = 32 * 2 ** 20

/** Milliseconds between two inserts: slow enough to watch, and for the move to keep up. */
const INSERT_EVERY_MS = 10

/** Milliseconds of which the longest insert is told. */
const RECENT_MS = 10_000

const STORES = { indexeddb: IndexedDbStorage, opfs: OpfsStorage } as const
const NAME = 'blockferry-database'

/** Opens a fresh place for the database. */
export async function freshPlace(place: DatabasePlace, size = DISK_BYTES): Promise<StorageProvider> {
  await STORES[place].delete(NAME)
  return STORES[place].open(NAME, { size })
}

/** Frees the place that the database left. */
export function leavePlace(place: DatabasePlace): Promise<void> {
  return STORES[place].delete(NAME)
}

/** A database into which rows are inserted all the time, over two connections: one inserts, the other one is asked. */
export class LiveDatabase {
  readonly #inserting: Connection
  readonly #asking: Connection
  readonly #stop = new AbortController()
  #done: Promise<void> | undefined
  #acknowledged = 0
  #recent: { at: number; ms: number }[] = []

  private constructor(inserting: Connection, asking: Connection) {
    this.#inserting = inserting
    this.#asking = asking
  }

  /** Opens the database of a disk, and makes its table if there is none. */
  static async open(disk: SqliteDisk): Promise<LiveDatabase> {
    const database = new LiveDatabase(await Connection.open(disk), await Connection.open(disk))
    await database.#inserting.run(
      'CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, at REAL NOT NULL, text TEXT NOT NULL)',
    )
    const [count] = await database.#inserting.row('SELECT count(*) FROM notes')
    database.#acknowledged = Number(count)
    return database
  }

  /** Inserts from now on. Rejects when that is not possible any more. */
  insert(): Promise<void> {
    this.#done = this.#insertAll()
    return this.#done
  }

  /** Rows that the database has said to have. */
  get rows(): number {
    return this.#acknowledged
  }

  inserts(): Inserts {
    const now = systemClock.now()
    this.#recent = this.#recent.filter(({ at }) => now - at < RECENT_MS)
    const lastSecond = this.#recent.filter(({ at }) => now - at < 1000).length
    return { rows: this.#acknowledged, perSecond: lastSecond, longestMs: this.#longest(0) }
  }

  /** Milliseconds of the longest insert since a moment. */
  longestSince(moment: number): number {
    return this.#longest(moment)
  }

  /** Reads every page, over a connection of its own, and counts. */
  async check(): Promise<{ said: string; rows: number; expected: number; last: number }> {
    const [said] = await this.#asking.row('PRAGMA integrity_check')
    const expected = this.#acknowledged
    const [rows, last] = await this.#asking.row('SELECT count(*), max(id) FROM notes')
    return { said: String(said), rows: Number(rows), expected, last: Number(last) }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#done?.catch(() => {})
    await this.#inserting.close()
    await this.#asking.close()
  }

  async #insertAll(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const startedAt = systemClock.now()
      await this.#inserting.run(
        `INSERT INTO notes (at, text) VALUES (${startedAt}, hex(randomblob(${50 + (this.#acknowledged % 150)})))`,
      )
      this.#acknowledged++
      this.#recent.push({ at: systemClock.now(), ms: systemClock.now() - startedAt })
      await systemClock.sleep(INSERT_EVERY_MS, signal).catch(() => {})
    }
  }

  #longest(since: number): number {
    return this.#recent.reduce((longest, { at, ms }) => (at >= since ? Math.max(longest, ms) : longest), 0)
  }
}

/** One connection, with a SQLite of its own: one of these does one thing at a time. */
class Connection {
  readonly #sqlite: SQLiteAPI
  readonly #database: number
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(sqlite: SQLiteAPI, database: number) {
    this.#sqlite = sqlite
    this.#database = database
  }

  static async open(disk: SqliteDisk): Promise<Connection> {
    const module = await moduleFactory()
    const sqlite = SQLite.Factory(module)
    const files = new SqliteVfs(module)
    // The package's types want a method more than the package calls.
    sqlite.vfs_register(files as unknown as SQLiteVFS, true)
    files.add('notes.db', disk)
    return new Connection(sqlite, await sqlite.open_v2('notes.db'))
  }

  run(statement: string): Promise<void> {
    return this.#inTurn(async () => void (await this.#sqlite.exec(this.#database, statement)))
  }

  /** The first row. */
  row(statement: string): Promise<readonly unknown[]> {
    return this.#inTurn(async () => {
      let answer: unknown[] | undefined
      await this.#sqlite.exec(this.#database, statement, (row) => {
        answer ??= row
      })
      return answer ?? []
    })
  }

  close(): Promise<void> {
    return this.#inTurn(async () => void (await this.#sqlite.close(this.#database)))
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#turn.then(work, work)
    this.#turn = turn.catch(() => {})
    return turn
  }
}
