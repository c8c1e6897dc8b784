import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { SqliteDisk } from '../../src/adapters/sqlite/sqlite-disk.ts'
import type { SqliteModule } from '../../src/adapters/sqlite/sqlite-module.ts'
import { SqliteVfs } from '../../src/adapters/sqlite/sqlite-vfs.ts'

/** The part of wa-sqlite's interface that tests use. */
export interface Sqlite {
  vfs_register(vfs: unknown, makeDefault?: boolean): number
  open_v2(name: string, flags?: number, vfs?: string): Promise<number>
  close(db: number): Promise<number>
  exec(db: number, sql: string, callback?: (row: unknown[], columns: string[]) => void): Promise<number>
}

/** An instance of SQLite with our file system. */
export interface RunningSqlite {
  readonly sqlite: Sqlite
  readonly vfs: SqliteVfs
  readonly module: SqliteModule
}

/** A connection. */
export interface Database {
  /** Runs statements; resolves with the rows of all of them. */
  run(sql: string): Promise<unknown[][]>
  close(): Promise<void>
}

const require = createRequire(import.meta.url)
const PACKAGE = '@journeyapps/wa-sqlite'
const FILES = { sync: 'wa-sqlite', asyncify: 'wa-sqlite-async' } as const

/** Starts a build of SQLite in Node. */
export async function startSqlite(build: keyof typeof FILES, waits = build !== 'sync'): Promise<RunningSqlite> {
  const path = require.resolve(`${PACKAGE}/dist/${FILES[build]}.mjs`)
  const { default: factory } = (await import(pathToFileURL(path).href)) as {
    default: (options: object) => Promise<SqliteModule>
  }
  const module = await factory({ wasmBinary: await readFile(path.replace(/\.mjs$/, '.wasm')) })
  const { Factory } = (await import(PACKAGE)) as unknown as { Factory: (module: SqliteModule) => Sqlite }
  const sqlite = Factory(module)
  const vfs = new SqliteVfs(module, { waits })
  sqlite.vfs_register(vfs, true)
  return { sqlite, vfs, module }
}

/** Opens a connection to a disk. */
export async function connect(running: RunningSqlite, name: string, disk?: SqliteDisk): Promise<Database> {
  if (disk) running.vfs.add(name, disk)
  const db = await running.sqlite.open_v2(name)
  return {
    run: async (sql) => {
      const rows: unknown[][] = []
      await running.sqlite.exec(db, sql, (row) => rows.push(row))
      return rows
    },
    close: async () => void (await running.sqlite.close(db)),
  }
}
