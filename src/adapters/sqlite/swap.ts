import { systemClock } from '../../async/clock.ts'
import type { LiveMigrationOptions, LiveMigrationResult } from '../../migration/live-options.ts'
import { migrateLive } from '../../migration/migrate-live.ts'
import { createBlockHasher } from '../../storage/block-hasher.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import { ArrivingCopy } from './arriving-copy.ts'
import { EMPTY_HEAD } from './head.ts'
import { prepareSlots } from './head-slots.ts'
import { LentDatabase, type MovingDatabase } from './lent-database.ts'
import { GIVE_WAY_MS, SWAP_CONCURRENCY, SWAP_RUN_BYTES } from './limits.ts'
import { moved } from './moved.ts'
import type { SqliteDisk } from './sqlite-disk.ts'

/** How a database moves to another storage; all as in `migrateLive`. */
export type SwapOptions = Pick<
  LiveMigrationOptions,
  | 'progressHandler'
  | 'progressIntervalMs'
  | 'signal'
  | 'clock'
  | 'verify'
  | 'hash'
  | 'maxRounds'
  | 'maxPauseMs'
  | 'targetPauseMs'
  | 'deadlineMs'
  | 'runBytes'
  | 'concurrency'
  | 'freshDestination'
>

/** A database that moved. */
export interface SwapResult extends LiveMigrationResult {
  /** The storage that it left: never written any more, and the caller's to close and to delete. */
  readonly origin: StorageProvider
  /** Milliseconds in which no transaction could begin. */
  readonly pauseMs: number
  /**
   * Why the destination could not say durably that the database is its own: whoever opens it after a crash has to name the origin, which is to be kept
   * until a transaction has been committed. Undefined when it could.
   */
  readonly doubt: unknown
}

/**
 * Moves a database that is in use to another storage of the same size, whose content is overwritten. Connections go on: between two transactions they
 * turn from the one to the other, and writers wait only then.
 *
 * At no moment are there two databases: the destination says that only a part is there, then that it waits for the origin's word; the origin's
 * word that it has given the database away is the moment. After a crash `SqliteDisk.open` refuses the one that is not it (`NOT_OWNER`); the
 * destination, opened with `{ origin }`, finds out.
 *
 * It rejects only while the database is used from where it was, and resolves once it is not.
 * @throws StorageError `NOT_SUPPORTED` when a build that cannot wait uses the database and the destination answers later; `SIZE_MISMATCH`; `BUSY` for a
 * database that is moving already; `ABORTED`, also while the end of a transaction is waited for; what `migrateLive` throws
 */
export async function swap(
  disk: SqliteDisk,
  destination: StorageProvider,
  options: SwapOptions = {},
): Promise<SwapResult> {
  const clock = options.clock ?? systemClock
  disk.checkDestination(destination)
  const moveId = crypto.getRandomValues(new Uint8Array(16))
  let stoppedAt = 0
  const result = await LentDatabase.during(disk, options.signal, async (lent) => {
    const slots = await prepareSlots(destination, await createBlockHasher())
    await slots.write({ ...EMPTY_HEAD, state: 'arriving', moveId })
    const live = await migrateLive({
      runBytes: SWAP_RUN_BYTES,
      concurrency: { any: SWAP_CONCURRENCY },
      ...options,
      source: lent.source,
      lockerHandler: () => {
        stoppedAt = clock.now()
        return lent.lock()
      },
      unlockerHandler: () => lent.unlock(),
      destination: new ArrivingCopy(destination, () => disk.locks.calm(GIVE_WAY_MS)),
      handOverFlushes: true,
      handOver: async () => {
        // One flush for all that has come and for what is said of it.
        await slots.write({ ...disk.head, state: 'arrived', moveId })
        await lent.give(moveId)
        disk.turnTo(destination, slots)
        return { released: true }
      },
    })
    return { ...live, origin: lent.origin, pauseMs: clock.now() - stoppedAt }
  })
  return { ...result, doubt: await ownWord(disk, moveId) }
}

/** The database is found here without that, but then nobody has to ask the origin. Resolves with why it could not be said. */
async function ownWord(disk: SqliteDisk, moveId: Uint8Array): Promise<unknown> {
  try {
    await disk.become('here', moveId)
    return undefined
  } catch (error) {
    return error
  }
}

/**
 * Lends a database that is in use to whoever moves it away, such as `sendDisk` of `blockferry/peer`, which is to be given all of what `move` gets. The
 * disk says durably that the database is no longer here before it is given away: `SqliteDisk.open` refuses it then (`NOT_OWNER`), unless the journal of the
 * move says that it was not given away and `takeBack` is asked for.
 *
 * When it resolves, the connections can only read (`SQLITE_READONLY_DBMOVED` for writers). So it is, too, where it rejects and `disk.isHere` says that the
 * database is not: it was given away, and something failed later. Otherwise they go on.
 *
 * A journal that outlives the page says whose the database is, and is not told what SQLite writes: after a start of an owner it is to `forget` all blocks.
 * Where blocks are to follow (`auto`, `post-copy`), only this page has them as they should be: it must stay until the last has gone.
 * @throws StorageError `BUSY` for a database that is moving already, `ABORTED` while the end of a transaction is waited for; what `move` throws
 */
export async function moveAway<Result>(
  disk: SqliteDisk,
  move: (moving: MovingDatabase) => Promise<Result>,
  options: { signal?: AbortSignal } = {},
): Promise<Result> {
  if (!disk.isHere) throw moved()
  const moveId = crypto.getRandomValues(new Uint8Array(16))
  return LentDatabase.during(disk, options.signal, async (lent) => {
    const result = await move({
      source: lent.source,
      lockerHandler: () => lent.lock(),
      unlockerHandler: () => lent.unlock(),
      handOver: async (context) => {
        if (context && context.missingBlocks > 0) await lent.keepSlots()
        await lent.give(moveId)
      },
    })
    // Moved by something that hands nothing over.
    if (disk.isHere) await lent.give(moveId)
    return result
  })
}
