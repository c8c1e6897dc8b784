import { errorCode, errorMessage, StorageError } from '../errors/storage-error.ts'
import type { BlockOrder } from '../orders/block-order.ts'
import type { BlockDigests } from '../storage/block-digests.ts'
import type { StorageProvider } from '../storage/provider.ts'
import type { TrackingStorageProvider } from '../storage/tracking-provider.ts'
import { Migrator } from './migrator.ts'
import type { MigratorConfig } from './migrator-config.ts'

/**
 * The disk was handed over, and not all of the rest could be moved: the source stays locked, and has what the new owner lacks. With the code of
 * the cause, or `MIGRATION_FAILED`. The order holds the missing blocks again; {@link moveRest} goes on with it.
 */
export class RestError extends StorageError {
  /** Blocks that are not known to be stored at the destination; those that are may still lack a flush there. */
  readonly missingBlocks: number

  constructor(missingBlocks: number, cause: unknown) {
    super(
      errorCode(cause) ?? 'MIGRATION_FAILED',
      `The disk was handed over, ${missingBlocks} blocks are still to be moved: ${errorMessage(cause)}`,
      { cause, context: { missingBlocks, released: true } },
    )
    this.missingBlocks = missingBlocks
  }
}

/** The rest of a disk that was handed over. */
export interface MoveRestOptions
  extends Omit<MigratorConfig, 'blockSize' | 'blockHandler' | 'lockerHandler' | 'unlockerHandler'> {
  /** Locked since the hand-over. */
  source: TrackingStorageProvider
  destination: StorageProvider
  /** Holds exactly the blocks that the destination lacks. */
  order: BlockOrder
  /** Kept up to date with what is stored. */
  digests?: BlockDigests
}

/**
 * Moves what a destination lacks that owns the disk already, from a source that is not written any more; also to go on after a
 * {@link RestError}, over another connection. Resolves when everything is stored and flushed, with the root as of the hand-over if all digests are known.
 * @throws RestError
 */
export async function moveRest(options: MoveRestOptions): Promise<Uint8Array | undefined> {
  const { source, destination, order, digests } = options
  const blockHandler =
    digests &&
    ((start: number, count: number, bytes: Uint8Array | undefined) => {
      if (bytes) digests.note(start, bytes)
      else digests.noteZero(start, count)
    })
  const config = { ...options, blockSize: source.blockSize, ...(blockHandler ? { blockHandler } : {}) }
  const migrator = new Migrator(source, destination, order, config)
  await carryRest(migrator, order, destination)
  return digests?.root()
}

/** As {@link moveRest}, with the migrator that moved the first part. */
export async function carryRest(migrator: Migrator, order: BlockOrder, destination: StorageProvider): Promise<void> {
  try {
    order.afterSwitch?.()
    migrator.enter('rest')
    // Blocks of a failed write come back into the order while others are under way.
    do {
      await migrator.migrate(migrator.pendingBlocks)
      await migrator.waitForCompletion()
    } while (order.available > 0)
    await destination.flush()
  } catch (error) {
    throw new RestError(order.available, error)
  }
}
