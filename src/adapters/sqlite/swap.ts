import { systemClock } from '../../async/clock.ts'
import { combineErrors } from '../../errors/storage-error.ts'
import type { LiveMigrationOptions, LiveMigrationResult } from '../../migration/live-options.ts'
import { migrateLive } from '../../migration/migrate-live.ts'
import { createDirtyTracker } from '../../modules/dirty-tracker.ts'
import { createBlockHasher } from '../../storage/block-hasher.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import type { TrackingStorageProvider } from '../../storage/tracking-provider.ts'
import { ArrivingCopy } from './arriving-copy.ts'
import { EMPTY_HEAD } from './head.ts'
import { prepareSlots } from './head-slots.ts'
import { MOVE_BLOCK, SWAP_CONCURRENCY, SWAP_RUN_BYTES } from './limits.ts'
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
}

/** What moves a disk while it is written by SQLite: the options of `sendDisk`, or of `migrateLive`, that say what to move. */
export interface MovingDatabase {
  readonly source: TrackingStorageProvider
  readonly lockerHandler: () => Promise<void>
  readonly unlockerHandler: () => void
}

/**
 * Moves a database that is in use to another storage of the same size, whose content is overwritten. Connections go on: between two transactions they
 * turn from the one to the other, and writers wait only then.
 *
 * At no moment are there two databases: the destination says that only a part is there, then that it waits for the origin's word; the origin's
 * word that it has given the database away is the moment. After a crash `SqliteDisk.open` refuses the one that is not it (`NOT_OWNER`); the
 * destination, opened with `{ origin }`, finds out.
 * @throws StorageError `NOT_SUPPORTED` when a build that cannot wait uses the database and the destination answers later; `SIZE_MISMATCH`; what
 * `migrateLive` throws. The database is used from where it was then.
 */
export async function swap(
  disk: SqliteDisk,
  destination: StorageProvider,
  options: SwapOptions = {},
): Promise<SwapResult> {
  const clock = options.clock ?? systemClock
  disk.checkDestination(destination)
  const moveId = crypto.getRandomValues(new Uint8Array(16))
  const slots = await prepareSlots(destination, await createBlockHasher())
  await slots.write({ ...EMPTY_HEAD, state: 'arriving', moveId })
  const origin = disk.provider
  let stoppedAt = 0
  const result = await whileTracked(disk, async (moving) => {
    const live = await migrateLive({
      runBytes: SWAP_RUN_BYTES,
      concurrency: { any: SWAP_CONCURRENCY },
      ...options,
      ...moving,
      lockerHandler: () => {
        stoppedAt = clock.now()
        return moving.lockerHandler()
      },
      destination: new ArrivingCopy(destination),
      handOverFlushes: true,
      handOver: async () => {
        // One flush for all that has come and for what is said of it.
        await slots.write({ ...disk.head, state: 'arrived', moveId })
        disk.turnTo(origin)
        await giveUp(disk, moveId)
        disk.turnTo(destination, slots)
        return { released: true }
      },
    })
    return { ...live, origin, pauseMs: clock.now() - stoppedAt }
  })
  // Not needed for the database to be found here, but then nobody has to ask the origin.
  await disk.become('here', moveId)
  return result
}

/**
 * Lends a database that is in use to whoever moves it away, such as `sendDisk` of `blockferry/peer`. When that has succeeded the connections can only
 * read (`SQLITE_READONLY_DBMOVED` for writers), and `SqliteDisk.open` refuses the disk; when it has failed they go on.
 */
export async function moveAway<Result>(
  disk: SqliteDisk,
  move: (moving: MovingDatabase) => Promise<Result>,
): Promise<Result> {
  const origin = disk.provider
  return whileTracked(disk, async (moving) => {
    const result = await move(moving)
    disk.turnTo(origin)
    await disk.become('away', crypto.getRandomValues(new Uint8Array(16)))
    return result
  })
}

/** Writes of SQLite are noticed meanwhile; no transaction begins or is under way while the disk is locked. */
async function whileTracked<Result>(
  disk: SqliteDisk,
  work: (moving: MovingDatabase) => Promise<Result>,
): Promise<Result> {
  const origin = disk.provider
  const { local, remote } = createDirtyTracker(origin, MOVE_BLOCK)
  await betweenTransactions(disk, async () => disk.turnTo(local))
  disk.locks.share(true)
  let isLocked = false
  const unlock = () => {
    if (!isLocked) return
    isLocked = false
    remote.unlock!()
    disk.locks.resume()
  }
  try {
    return await work({
      source: remote,
      lockerHandler: async () => {
        isLocked = true
        await disk.locks.pause()
        await disk.save()
        await remote.lock!()
      },
      unlockerHandler: unlock,
    })
  } finally {
    unlock()
    disk.locks.share(false)
    if (disk.provider === local) await betweenTransactions(disk, async () => disk.turnTo(origin))
  }
}

/** Does something while nobody writes and nothing is under way. */
async function betweenTransactions(disk: SqliteDisk, work: () => Promise<void>): Promise<void> {
  await disk.locks.pause()
  try {
    await disk.save()
    await work()
  } finally {
    disk.locks.resume()
  }
}

/** The origin says that the database is no longer here. If that fails it is here: whatever is committed from then on says so, durably. */
async function giveUp(disk: SqliteDisk, moveId: Uint8Array): Promise<void> {
  try {
    await disk.become('away', moveId)
  } catch (error) {
    try {
      await disk.become('here', moveId)
    } catch (second) {
      throw combineErrors(error, second)
    }
    throw error
  }
}
