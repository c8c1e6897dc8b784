/**
 * SQLite databases on our disks: a file system for wa-sqlite over any storage, and databases that move while they are used.
 * Apart from `index.ts`, so that a page without a database does not pay for it. Needs the optional peer `@journeyapps/wa-sqlite`.
 */

export { type DatabaseBytes, exportDatabase, importDatabase } from './adapters/sqlite/database-bytes.ts'
export { readIdbBatchAtomic, writeIdbBatchAtomic } from './adapters/sqlite/idb-batch-atomic.ts'
export type { MovingDatabase } from './adapters/sqlite/lent-database.ts'
export { readOpfsFile, writeOpfsFile } from './adapters/sqlite/opfs-files.ts'
export { listOpfsPool, type OpfsPool, readOpfsPool, writeOpfsPool } from './adapters/sqlite/opfs-pool.ts'
export type { PoolKind } from './adapters/sqlite/pool-head.ts'
export { SqliteDisk, type SqliteDiskOptions } from './adapters/sqlite/sqlite-disk.ts'
export { chooseBuild, type SqliteBuild, type SqliteModule } from './adapters/sqlite/sqlite-module.ts'
export { SqliteVfs, type SqliteVfsOptions } from './adapters/sqlite/sqlite-vfs.ts'
export { moveAway, type SwapOptions, type SwapResult, swap } from './adapters/sqlite/swap.ts'
