/**
 * The library for browsers and everything else: no Node module is reached from here, and importing does nothing.
 * Every public name is listed by hand. Node's additions are in `node.ts`.
 */

export { type Clock, systemClock } from './async/clock.ts'
export { type Random, seededRandom } from './async/random.ts'
export { Bitfield } from './bitfield/bitfield.ts'
export { InvalidArgumentError } from './errors/invalid-argument-error.ts'
export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorContext,
  errorCode,
  StorageError,
  type StorageErrorOptions,
} from './errors/storage-error.ts'
export { decodeError, encodeError, type WireError } from './errors/wire.ts'
export type { KernelBuild, Kernels } from './kernels/kernels.ts'
export {
  createKernels,
  defaultKernels,
  type KernelOptions,
  type KernelSource,
  loadKernels,
} from './kernels/load.ts'
export {
  type HandOverContext,
  type HandOverOutcome,
  type LiveMigrationOptions,
  type LiveMigrationResult,
  type MigrationStrategy,
  migrateLive,
} from './migration/migrate-live.ts'
export { type BlockFailure, MigrationError } from './migration/migration-error.ts'
export { Migrator } from './migration/migrator.ts'
export type { MigratorConfig } from './migration/migrator-config.ts'
export { type MoveRestOptions, moveRest, RestError } from './migration/move-rest.ts'
export {
  BLOCK_STATE,
  type BlockStateReader,
  type MigrationPhase,
  type MigrationProgress,
} from './migration/progress.ts'
export { Syncer, type SyncerOptions, type SyncerProgress } from './migration/syncer.ts'
export { createDirtyTracker, type DirtyTracker } from './modules/dirty-tracker.ts'
export { Lockable, type LockState } from './modules/lockable.ts'
export { AnyBlockOrder } from './orders/any-block-order.ts'
export type { BlockOrder, BlockRun, BlockType } from './orders/block-order.ts'
export { PriorityBlockOrder } from './orders/priority-block-order.ts'
export { RecentFirstOrder, RecentReads } from './orders/recent-reads.ts'
export { VolatilityMonitor, type VolatilityOptions } from './orders/volatility-monitor.ts'
export {
  SOURCE_CAPABILITIES,
  type SourceName,
  type StorageCapabilities,
  type StorageContext,
} from './sources/capabilities.ts'
export { type IndexedDbOptions, IndexedDbStorage } from './sources/indexeddb.ts'
export { MemoryStorage, type MemoryStorageOptions } from './sources/memory.ts'
export { type OpfsOptions, OpfsStorage } from './sources/opfs.ts'
export { type ServingPort, serveOpfs } from './sources/opfs-serve.ts'
export type { HashName } from './storage/block-hasher.ts'
export { compareDisks, type DiskDifference } from './storage/compare.ts'
export { type StorageEventListener, type StorageEventMap, StorageEvents } from './storage/events.ts'
export { digestText, HashTree } from './storage/hash-tree.ts'
export type { Extent, IoOptions, StorageProvider } from './storage/provider.ts'
export { type RootHashOptions, rootHash } from './storage/root-hash.ts'
export type { TrackingStorageProvider } from './storage/tracking-provider.ts'
export { StorageWrapper } from './storage/wrapper.ts'
