import type { LiveMigrationOptions, LiveMigrationResult } from '../migration/migrate-live.ts'
import type { BlockOrder } from '../orders/block-order.ts'
import type { Connection } from '../protocol/connection.ts'
import type { DiskJournal } from './disk-journal.ts'

/** What to send, and over which connection; the rest as in a migration within one process. */
export interface SendDiskOptions
  extends Omit<
    LiveMigrationOptions,
    'destination' | 'order' | 'verify' | 'beforeRound' | 'digests' | 'handOverFlushes'
  > {
  connection: Connection
  /** Name of the disk, as the other side sees it. */
  name: string
  /** Decides among blocks nobody waits for; those that the other side asks for go first. Default: lowest first. */
  order?: BlockOrder
  /** Remembers whose disk it is and what was sent, beyond the end of this process. Default: nothing does. Not in dialect `silo`. */
  journal?: DiskJournal
  /** Sixteen fresh random bytes. Default: the platform's. */
  randomId?: () => Uint8Array
}

/** A disk that was handed over. */
export interface SentDisk extends LiveMigrationResult {
  /**
   * Whether the other side has said that it owns the disk and needs this side no more. False: the link was lost behind the last word; the source
   * is never written again, and over the next connection the other side is asked.
   */
  readonly acknowledged: boolean
  /** Of a disk that is not acknowledged: what kept the other side from saying so. */
  readonly reason?: unknown
}
