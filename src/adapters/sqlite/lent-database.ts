import { combineErrors, StorageError } from '../../errors/storage-error.ts'
import type { HandOverContext } from '../../migration/live-options.ts'
import { createDirtyTracker } from '../../modules/dirty-tracker.ts'
import type { Lockable } from '../../modules/lockable.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import type { TrackingStorageProvider } from '../../storage/tracking-provider.ts'
import { DepartingDisk } from './departing-disk.ts'
import { MOVE_BLOCK } from './limits.ts'
import type { SqliteDisk } from './sqlite-disk.ts'

/** What moves a disk while it is written by SQLite: the options of `sendDisk`, or of `migrateLive`, that say what to move. */
export interface MovingDatabase {
  readonly source: TrackingStorageProvider
  readonly lockerHandler: () => Promise<void>
  readonly unlockerHandler: () => void
  /** Says durably that the database is no longer here; what is called then fails, or gives the disk away. */
  readonly handOver: (context?: HandOverContext) => Promise<void>
}

/**
 * A database that is lent to whoever moves it: writes of SQLite are noticed meanwhile, and no transaction begins or is under way while the disk is locked.
 *
 * ```
 *   here ── locked ──► here, nobody writes ── given ──► away ── ended ──► away, writers are told so
 *    ▲                                                   │
 *    └────────── unlocked: it was not given away ────────┘ durably, before anybody writes again
 * ```
 */
export class LentDatabase {
  readonly source: TrackingStorageProvider
  /** The disk as it was before. */
  readonly origin: StorageProvider
  readonly #disk: SqliteDisk
  readonly #departing: DepartingDisk
  readonly #local: Lockable
  readonly #signal: AbortSignal | undefined
  #isPaused = false
  /** Settled when the disk says that the database is here, after it had said that it is not. */
  #returning: Promise<void> = Promise.resolve()

  private constructor(disk: SqliteDisk, signal: AbortSignal | undefined) {
    this.#disk = disk
    this.#signal = signal
    this.origin = disk.provider
    this.#departing = new DepartingDisk(disk.provider)
    const { local, remote } = createDirtyTracker(this.#departing, MOVE_BLOCK)
    this.#local = local
    this.source = remote
  }

  /**
   * Lends a database for as long as the work takes.
   * @throws StorageError `BUSY` for one that is moving already, `ABORTED`, what the work throws, and with it why the disk could not be used as before
   */
  static async during<Result>(
    disk: SqliteDisk,
    signal: AbortSignal | undefined,
    work: (lent: LentDatabase) => Promise<Result>,
  ): Promise<Result> {
    if (disk.isLent) throw new StorageError('BUSY', 'The database is moving already.')
    disk.isLent = true
    try {
      const lent = new LentDatabase(disk, signal)
      await lent.#begin()
      let result: Result
      try {
        result = await work(lent)
      } catch (error) {
        await lent.#end().catch((second: unknown) => {
          throw combineErrors(error, second)
        })
        throw error
      }
      await lent.#end()
      return result
    } finally {
      disk.isLent = false
    }
  }

  /** From the end of a transaction on writes are noticed: one that is under way would not be. */
  async #begin(): Promise<void> {
    const disk = this.#disk
    await disk.locks.pause(this.#signal)
    try {
      await disk.save()
      disk.turnTo(this.#local)
    } finally {
      disk.locks.resume()
    }
    disk.locks.share(true)
  }

  async lock(): Promise<void> {
    await this.#returning
    await this.#disk.locks.pause(this.#signal)
    this.#isPaused = true
    await this.#disk.save()
    await this.source.lock!()
  }

  /** The database stays here: writers go on, once the disk says so again where it has said that it is not. */
  unlock(): void {
    if (!this.#isPaused) return
    const disk = this.#disk
    this.#isPaused = false
    this.source.unlock!()
    if (disk.isHere) {
      disk.locks.resume()
      return
    }
    this.#departing.showSlots()
    disk.turnTo(this.#local)
    this.#returning = this.#takeBack()
    this.#returning.catch(() => {}) // Told by the next lock, or at the end.
  }

  /** Blocks that are read from now on are as they are now, whatever the disk says of itself later. */
  keepSlots(): Promise<void> {
    return this.#departing.keepSlots()
  }

  /** The disk says durably that the database is no longer here. */
  async give(moveId: Uint8Array): Promise<void> {
    this.#disk.turnTo(this.origin)
    await this.#disk.become('away', moveId)
  }

  async #takeBack(): Promise<void> {
    try {
      await this.#disk.become('here', this.#disk.head.moveId)
    } finally {
      // If that failed, whatever is committed next says it.
      this.#disk.locks.resume()
    }
  }

  async #end(): Promise<void> {
    const disk = this.#disk
    if (disk.isHere) this.unlock()
    else if (this.#isPaused) disk.locks.resume()
    disk.locks.share(false)
    try {
      await this.#returning
    } finally {
      // Also in the middle of a transaction: both faces lead to the same storage, and nobody has to notice writes any more.
      if (disk.provider === this.#local) disk.turnTo(this.origin)
    }
  }
}
