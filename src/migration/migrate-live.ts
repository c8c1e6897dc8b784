import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import { AnyBlockOrder } from '../orders/any-block-order.ts'
import type { BlockOrder } from '../orders/block-order.ts'
import { BlockDigests } from '../storage/block-digests.ts'
import { createBlockHasher } from '../storage/block-hasher.ts'
import type { TrackingStorageProvider } from '../storage/tracking-provider.ts'
import { convergenceLimits } from './convergence.ts'
import type { LiveMigrationOptions, LiveMigrationResult } from './live-options.ts'
import { LiveRun } from './live-run.ts'
import { Migrator } from './migrator.ts'
import { checkConfig, checkDuration, type MigratorConfig } from './migrator-config.ts'
import { Outlook } from './outlook.ts'
import type { MigrationProgress } from './progress.ts'
import { Verifier } from './verifier.ts'

export type {
  HandOverContext,
  HandOverOutcome,
  LiveMigrationOptions,
  LiveMigrationResult,
  MigrationStrategy,
} from './live-options.ts'

/**
 * Moves a disk while it is being written: blocks move ahead, what was written meanwhile again in rounds, until the writer is stopped. Then the last
 * blocks go, source and destination are equal, flushed and, unless declined, verified, and the disk is handed over. With a `strategy` that
 * allows it, it is handed over before, and the rest follows: on demand as the order has it, what was read lately first.
 *
 * On success the source stays locked: it has been handed over, `source.unlock()` takes it back. On failure or abort before that it runs on as if
 * nothing had happened, and a later migration can succeed. A failure after it is a {@link RestError}, and the source stays locked.
 * @throws StorageError `LOCKED` for a source that was handed over already, `DID_NOT_CONVERGE`, `DEADLINE_EXCEEDED`, `VERIFY_FAILED`, `SIZE_MISMATCH`, `BUSY`, `ABORTED`,
 * what the storages throw; MigrationError; RestError; InvalidArgumentError
 */
export async function migrateLive(options: LiveMigrationOptions): Promise<LiveMigrationResult> {
  const { source, destination, verify = 'read-back', deadlineMs = Number.POSITIVE_INFINITY } = options
  const blockSize = source.blockSize
  const { clock } = checkConfig({ ...options, blockSize })
  const limits = convergenceLimits(options)
  checkDuration('deadlineMs', deadlineMs)
  const canSwitch = (options.strategy ?? 'pre-copy') !== 'pre-copy'
  if (canSwitch && !options.handOver) {
    throw new InvalidArgumentError('handOver', 'a function that gives away a disk with missing blocks', undefined)
  }
  if (!options.lockerHandler && !source.lock) {
    throw new InvalidArgumentError('lockerHandler', 'a function, or a source with a lock', undefined)
  }
  // A failure would unlock it, and then two sides could write.
  if (source.isLocked) throw new StorageError('LOCKED', 'The source is locked, as after a hand-over; unlock it first.')
  const startedAt = clock.now()
  const order = options.order ?? new AnyBlockOrder(Math.ceil(source.size / blockSize))
  const digests = options.digests ?? (verify === 'none' ? undefined : await freshDigests(options))
  const verifier = digests && new Verifier(digests, destination, clock)
  let outlook: Outlook | undefined
  const stop = new AbortController()
  const stopped = AbortSignal.any(options.signal ? [options.signal, stop.signal] : [stop.signal])
  const migrator = new Migrator(source, destination, order, {
    ...options,
    signal: stopped,
    ...progressConfig(options, () => outlook),
    blockSize,
    ...(verifier ? { blockHandler: (start, count, bytes) => verifier.stored(start, count, bytes) } : {}),
  })
  const giveBack = migrator.hold()
  let run: LiveRun | undefined
  try {
    if (order.available === 0) order.addAll()
    if (!options.isTracked) trackTheRest(source, order)
    outlook = new Outlook({ source, order, migrator, clock, limits, deadlineMs, canSwitch })
    run = new LiveRun(options, { limits, clock, order, migrator, stop, stopped, outlook, digests, verifier })
    const pause = await run.move()
    const { blocksMoved, bytesMoved, blocksDirtied } = migrator
    announceEnd(migrator)
    return {
      ...pause,
      rounds: run.rounds,
      blocksMoved,
      bytesMoved,
      // A block that is repaired goes the way of a dirty one.
      blocksDirtied: blocksDirtied - run.blocksRepaired,
      blocksRepaired: run.blocksRepaired,
      missingBlocks: run.missingBlocks,
      durationMs: clock.now() - startedAt,
      root: digests?.root(),
    }
  } catch (error) {
    if (!run?.released) {
      migrator.unlock()
      // Stored is not proven: whoever goes on with the same order sends these again.
      if (verify === 'read-back') verifier?.forEachUnverified((block) => order.add(block))
    }
    // The writer had waited for too long.
    throw stop.signal.reason ?? error
  } finally {
    verifier?.free()
    if (!options.digests) digests?.free()
    giveBack()
  }
}

async function freshDigests({ source, hash }: LiveMigrationOptions): Promise<BlockDigests> {
  return new BlockDigests(source.size, source.blockSize, await createBlockHasher(hash))
}

/** Reports say what only the whole migration knows. */
function progressConfig(
  { progressHandler }: LiveMigrationOptions,
  outlook: () => Outlook | undefined,
): Pick<MigratorConfig, 'progressHandler'> {
  if (!progressHandler) return {}
  const complete = (progress: MigrationProgress): MigrationProgress => {
    const now = outlook()
    const { predictedPauseMs } = progress
    if (!now || predictedPauseMs === undefined) return progress
    return {
      ...progress,
      predictedPauseMs: now.canSwitch ? now.predictedPauseMs : predictedPauseMs + now.flushMs,
      predictedDurationMs: now.forecast()?.durationMs,
    }
  }
  return { progressHandler: (progress, blocks) => progressHandler(complete(progress), blocks) }
}

/** Blocks that are not to be sent count as read: a write to one of them from here on makes it dirty. */
function trackTheRest(source: TrackingStorageProvider, order: BlockOrder): void {
  if (order.available === order.numBlocks) return
  for (let block = 0; block < order.numBlocks; block++) {
    if (!order.has(block)) source.trackAt(block * source.blockSize, source.blockSize)
  }
}

/** The disk has been handed over and nothing may undo that: what a progress handler throws now is reported by the host. */
function announceEnd(migrator: Migrator): void {
  try {
    migrator.enter('done')
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
