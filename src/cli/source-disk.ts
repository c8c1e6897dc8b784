import { combineErrors, StorageError } from '../errors/storage-error.ts'
import { createWriteIntents } from '../migration/journal/write-intents.ts'
import { createDirtyTracker, type DirtyTracker } from '../modules/dirty-tracker.ts'
import type { BlockOrder } from '../orders/block-order.ts'
import { RecentFirstOrder, RecentReads } from '../orders/recent-reads.ts'
import { VolatilityMonitor } from '../orders/volatility-monitor.ts'
import type { Dialect } from '../protocol/protocol-rw.ts'
import { FileStorage } from '../sources/file.node.ts'
import type { StorageProvider } from '../storage/provider.ts'
import type { DiskAddress } from './disk-address.ts'
import { claimOf, notOwner } from './disk-claim.ts'
import { type DiskRecord, JournalBeside, readRecord } from './journal-beside.ts'
import { openSource } from './open-disk.ts'

/** How a disk that is to be moved away is opened. */
export interface SourceDiskOptions {
  readonly disk: DiskAddress
  readonly blockSize: number
  /** Clients may write to it while it is this side's. */
  readonly isWritten: boolean
  readonly dialect: Dialect
}

/** A disk in use, tracked, and watched for what is written often and what was read last; with the journal beside it where it is a file. */
export class SourceDisk {
  readonly blockSize: number
  readonly tracker: DirtyTracker
  /** The application's face. */
  readonly face: StorageProvider
  /** Calm blocks first, and after a hand-over what was read last. */
  readonly order: BlockOrder
  readonly beside: JournalBeside | undefined
  readonly #storage: StorageProvider

  private constructor(storage: StorageProvider, blockSize: number, beside: JournalBeside | undefined) {
    this.#storage = storage
    this.blockSize = blockSize
    this.beside = beside
    const monitor = new VolatilityMonitor(storage, blockSize)
    this.tracker = createDirtyTracker(monitor, blockSize, beside && createWriteIntents(beside.journal))
    const recent = new RecentReads(this.tracker.local, blockSize)
    this.face = recent
    this.order = new RecentFirstOrder(recent, monitor)
  }

  /** @throws StorageError `NOT_OWNER` for a disk that is not this side's to give away, `SIZE_MISMATCH`, `CORRUPT`, `OPEN_FAILED` */
  static async open(options: SourceDiskOptions): Promise<SourceDisk> {
    const { disk, isWritten, dialect } = options
    const record = disk.kind === 'file' ? await readRecord(disk.path) : undefined
    const state = record?.ownership.state
    const isToFinish = state === 'released' && dialect !== 'silo'
    if (record && disk.kind === 'file' && !claimOf(record.ownership).mayWrite && !isToFinish) {
      throw notOwner(disk.path, record.ownership)
    }
    const isOpenForWriting = disk.kind === 'file' && isWritten && state !== 'released'
    const storage = isOpenForWriting ? await FileStorage.open(disk.path) : await openSource(disk)
    try {
      checkSize(disk, storage.size, record)
      // What is known is known of blocks of this size.
      const blockSize = record?.ownership.blockSize ?? options.blockSize
      const isJournaled = disk.kind === 'file' && dialect !== 'silo'
      const beside = isJournaled ? await JournalBeside.open(disk.path, { size: storage.size, blockSize }) : undefined
      return new SourceDisk(storage, blockSize, beside)
    } catch (error) {
      await storage.close()
      throw error
    }
  }

  get size(): number {
    return this.#storage.size
  }

  /** Makes everything durable, and closes disk and journal. Throws `failure` with what goes wrong in addition. */
  async close(failure?: unknown): Promise<void> {
    const { beside } = this
    const flush = () => this.#storage.flush()
    for (const end of [
      () => beside?.journal.checkpoint({ flush }),
      () => this.#storage.close(),
      () => beside?.close(),
    ]) {
      await end()?.catch((error: unknown) => {
        failure = combineErrors(failure, error)
      })
    }
    if (failure !== undefined) throw failure
  }
}

function checkSize(disk: DiskAddress, size: number, record: DiskRecord | undefined): void {
  if (!record || disk.kind !== 'file' || record.ownership.size === size) return
  const message = `"${disk.path}" has ${size} bytes, and its journal is of a disk of ${record.ownership.size}`
  throw new StorageError('SIZE_MISMATCH', message, { context: { got: size, expected: record.ownership.size } })
}
