import { Factory } from '@journeyapps/wa-sqlite'
import type { SqliteDisk } from '../../src/adapters/sqlite/sqlite-disk.ts'
import type { SqliteBuild, SqliteModule } from '../../src/adapters/sqlite/sqlite-module.ts'
import { SqliteVfs } from '../../src/adapters/sqlite/sqlite-vfs.ts'

/** A file system of ours or of the package. */
export interface AnyVfs {
  readonly name: string
  close(): void | Promise<void>
}

/** A connection in a worker. */
export interface Database {
  /** Runs statements; resolves with the rows of all of them. */
  run(sql: string): Promise<unknown[][]>
  close(): Promise<void>
}

/** An instance of SQLite. */
export interface RunningSqlite {
  connect(name: string): Promise<Database>
}

/** The builds of wa-sqlite. */
export const BUILDS: Record<SqliteBuild, () => Promise<{ default: () => Promise<SqliteModule> }>> = {
  sync: () => import('@journeyapps/wa-sqlite/dist/wa-sqlite.mjs'),
  asyncify: () => import('@journeyapps/wa-sqlite/dist/wa-sqlite-async.mjs'),
  // @ts-expect-error The package has no types for this build.
  jspi: () => import('@journeyapps/wa-sqlite/dist/wa-sqlite-jspi.mjs'),
}

/** Starts a build of SQLite, with a file system that is the default one. */
export async function startSqlite(
  build: SqliteBuild,
  makeVfs: (module: SqliteModule) => AnyVfs | Promise<AnyVfs>,
): Promise<RunningSqlite> {
  const module = await (await BUILDS[build]()).default()
  const sqlite = Factory(module)
  sqlite.vfs_register((await makeVfs(module)) as never, true)
  return {
    connect: async (name) => {
      const db = await sqlite.open_v2(name)
      return {
        run: async (sql) => {
          const rows: unknown[][] = []
          await sqlite.exec(db, sql, (row) => void rows.push([...row]))
          return rows
        },
        close: async () => void (await sqlite.close(db)),
      }
    },
  }
}

/** Opens a connection of an instance of its own to a disk of ours. */
export async function connectTo(
  disk: SqliteDisk,
  build: SqliteBuild,
  options: { waits?: boolean } = {},
): Promise<Database> {
  const running = await startSqlite(build, (module) => {
    const vfs = new SqliteVfs(module, options)
    vfs.add('app.db', disk)
    return vfs
  })
  return running.connect('app.db')
}
