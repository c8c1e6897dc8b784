import { type Clock, systemClock } from '../async/clock.ts'
import { checkBlockSize, checkInteger, InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import type { BlockType } from '../orders/block-order.ts'
import { CONCURRENCY, LARGEST_CONCURRENCY, LARGEST_RUN_BYTES, PROGRESS_INTERVAL_MS, RUN_BYTES } from './limits.ts'
import type { BlockFailure } from './migration-error.ts'
import type { BlockStateReader, MigrationProgress } from './progress.ts'

/** How blocks are moved. Only `blockSize` is required. */
export interface MigratorConfig {
  /** Bytes of a block: a power of two from 512 to 16 MiB, the one the source tracks with. */
  blockSize: number
  /** Runs in flight by kind of block; `any` stands for the kinds not named. Default: `CONCURRENCY`, where up to `SLOT_PARTS` short ones count as one. */
  concurrency?: Partial<Record<BlockType | 'any', number>>
  /** Bytes of neighbouring blocks moved together, at least one block, at most `LARGEST_RUN_BYTES`. Default: what the storages prefer, or `RUN_BYTES`. */
  runBytes?: number
  /** Stops the writer and resolves when none of its writes is in flight. Default: the source's own lock. */
  lockerHandler?: () => Promise<void>
  /** Lets the writer go on. Default: the source's own unlock. */
  unlockerHandler?: () => void
  /**
   * Hears of blocks that failed for good. It may put them back with `order.add`; blocks it leaves alone make the migration fail.
   * Without a handler every failure makes it fail.
   */
  errorHandler?: (failure: BlockFailure) => void
  /** Hears how it goes, at most every `progressIntervalMs`. */
  progressHandler?: (progress: MigrationProgress, blocks: BlockStateReader) => void
  /** Default: `PROGRESS_INTERVAL_MS`. */
  progressIntervalMs?: number
  /** Hears of each run stored at the destination, with the bytes sent (borrowed for the call), or undefined when they were all zero. */
  blockHandler?: (start: number, count: number, bytes: Uint8Array | undefined) => void
  /** The destination reads as zero everywhere: blocks of zeroes need not be written to it in the first pass. Default: false. */
  freshDestination?: boolean
  /** Ends the migration with `ABORTED`; blocks under way go back into the order. */
  signal?: AbortSignal
  clock?: Clock
}

/** The config with its defaults filled in and checked. */
export interface CheckedConfig extends MigratorConfig {
  readonly runBlocks: number
  /** Blocks that fill a slot: those of a usual run, also where a storage prefers shorter ones. */
  readonly slotBlocks: number
  readonly slots: Readonly<Record<BlockType, number>>
  /** Kinds for which the caller has not said how many runs may be in flight. */
  readonly shared: ReadonlySet<BlockType>
  readonly progressIntervalMs: number
  readonly clock: Clock
}

const KINDS: readonly BlockType[] = ['standard', 'dirty', 'priority']

/** `preferredBytes`: what the storages prefer to move at once. @throws InvalidArgumentError that names the first option outside its domain. */
export function checkConfig(config: MigratorConfig, preferredBytes = 0): CheckedConfig {
  const blockSize = checkBlockSize('blockSize', config.blockSize)
  const runBytes = checkInteger('runBytes', config.runBytes ?? (preferredBytes || RUN_BYTES), 1)
  const slots = (type: BlockType): number => {
    const limit = config.concurrency?.[type] ?? config.concurrency?.any ?? CONCURRENCY[type]
    checkInteger(`concurrency.${type}`, limit, 1)
    if (limit <= LARGEST_CONCURRENCY) return limit
    throw new InvalidArgumentError(`concurrency.${type}`, `at most ${LARGEST_CONCURRENCY}`, limit)
  }
  const runBlocks = Math.max(1, Math.floor(Math.min(runBytes, LARGEST_RUN_BYTES) / blockSize))
  return {
    ...config,
    runBlocks,
    slotBlocks: config.runBytes === undefined ? Math.max(runBlocks, Math.floor(RUN_BYTES / blockSize)) : runBlocks,
    slots: { standard: slots('standard'), dirty: slots('dirty'), priority: slots('priority') },
    shared: new Set(KINDS.filter((type) => (config.concurrency?.[type] ?? config.concurrency?.any) === undefined)),
    progressIntervalMs: checkDuration('progressIntervalMs', config.progressIntervalMs ?? PROGRESS_INTERVAL_MS),
    clock: config.clock ?? systemClock,
  }
}

/** Refuses what is not a time, in milliseconds; for ever is one. Returns it. */
export function checkDuration(argument: string, ms: number): number {
  if (!(ms >= 0)) throw new InvalidArgumentError(argument, 'a number >= 0', ms)
  return ms
}
