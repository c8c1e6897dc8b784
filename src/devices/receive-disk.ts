import type { Lockable } from '../modules/lockable.ts'
import type { WaitingCache } from '../modules/waiting-cache.ts'
import type { Connection } from '../protocol/connection.ts'
import { BlockDigests } from '../storage/block-digests.ts'
import { createBlockHasher } from '../storage/block-hasher.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { ArrivingDisk } from './arriving-disk.ts'
import { type DiskJournal, MemoryJournal } from './disk-journal.ts'
import type { OfferedDisk } from './offered-disk.ts'
import { SiloArrival } from './silo-arrival.ts'

export type { OfferedDisk } from './offered-disk.ts'

/** Where a disk goes that comes over a connection. */
export interface ReceiveDiskOptions {
  connection: Connection
  /** Makes the place for it, of exactly its size and reading as zero everywhere, or opens that of an earlier attempt; refuses with a StorageError, which the peer is told. */
  create: (offer: OfferedDisk) => Promise<StorageProvider> | StorageProvider
  /** Opens the journal beside that place; with it a migration goes on after this process has ended. Default: what is known is kept in memory. Not in dialect `silo`. */
  journal?: (offer: OfferedDisk) => Promise<DiskJournal> | DiskJournal
  /** How long calls that lack a block wait for {@link ReceivedDisk.attach} after the peer was lost, in milliseconds. Default: 0, they fail at once. */
  reconnectMs?: number
  /** The place holds an older copy of the disk: it is hashed before the first block is taken, and only what differs is sent. Default: false. Not in dialect `silo`. */
  olderCopy?: boolean
  /** Hears how many blocks of that have been hashed, of how many. */
  onHashing?: (done: number, total: number) => void
}

/** A disk on its way here. */
export interface ReceivedDisk extends OfferedDisk {
  /**
   * For the application, at once: reads wait for the blocks they need and ask for them first, writes wait until the disk has been handed over.
   * It stays the face of the disk afterwards.
   */
  readonly disk: Lockable
  /** How far it is: missing blocks, which are present, calls that wait. */
  readonly cache: WaitingCache
  /**
   * Resolves when the disk is this side's: what was agreed is stored and flushed, and the roots agree; with that root, or undefined in dialect
   * `silo` and where blocks are still to come. Rejects when the peer was lost before, and nobody {@link attach}ed another connection in time:
   * then calls that lack a block fail with the same code, and the source still owns the disk; with `IN_DOUBT` when only the peer can tell.
   * After another `attach` a new promise stands here.
   */
  readonly handedOver: Promise<Uint8Array | undefined>
  /** Resolves when, after the hand-over, all blocks are here and flushed: the peer is not needed any more. Rejects, and is renewed, as `handedOver`. */
  readonly whole: Promise<void>
  /** Goes on over another connection after one was lost, of whatever transport. Not in dialect `silo`. Resolves when the peer has announced the same disk again. */
  attach(connection: Connection): Promise<void>
  /**
   * Makes the disk this side's, or whole, without the last word of a source that is gone for good, and records that it was so: to be chosen by somebody who
   * knows. Should the source live and have the disk too, both stop writing when they meet. `handedOver` and `whole` resolve then.
   * @throws StorageError `VERIFY_FAILED` while blocks are missing, `NOT_OWNER` for a disk that is whole and this side's, or was given on,
   * `NOT_SUPPORTED` in dialect `silo`
   */
  takeOver(): Promise<void>
}

/**
 * Takes the disk that the peer sends; resolves as soon as it is announced and there is a place for it, long before its blocks are here.
 * @throws StorageError what `create` refuses with, `SIZE_MISMATCH`, `PEER_LOST`, `MALFORMED`
 */
export async function receiveDisk(options: ReceiveDiskOptions): Promise<ReceivedDisk> {
  const { connection, create, journal, onHashing, reconnectMs = 0, olderCopy = false } = options
  const openJournal = journal ?? memoryJournal
  const arriving =
    connection.dialect === 'silo'
      ? new SiloArrival(create)
      : new ArrivingDisk({ create, openJournal, reconnectMs, olderCopy, ...(onHashing ? { onHashing } : {}) })
  await arriving.attach(connection)
  return arriving
}

async function memoryJournal({ size, blockSize }: OfferedDisk): Promise<DiskJournal> {
  return new MemoryJournal(new BlockDigests(size, blockSize, await createBlockHasher()))
}
