import { CONCURRENCY } from '../migration/limits.ts'
import type { HandOverContext, LiveMigrationOptions } from '../migration/live-options.ts'
import type { MigratorConfig } from '../migration/migrator-config.ts'
import type { BlockStateReader, MigrationProgress } from '../migration/progress.ts'
import type { BlockOrder } from '../orders/block-order.ts'
import type { Connection } from '../protocol/connection.ts'
import type { TrackingStorageProvider } from '../storage/tracking-provider.ts'
import type { DiskJournal } from './disk-journal.ts'
import type { GroupMessageHandler } from './group-messages.ts'
import type { SentDisk } from './send-options.ts'

/** One disk of a group, where it is sent from. */
export interface GroupDisk {
  /** As the other side sees it. */
  readonly name: string
  readonly source: TrackingStorageProvider
  /** Remembers whose disk it is and what was sent, beyond the end of this process. Default: nothing does. Not in dialect `silo`. */
  readonly journal?: DiskJournal
  /** Decides among blocks nobody waits for. Default: lowest first. */
  readonly order?: BlockOrder
  /** Nothing of it may be missing at the hand-over, whatever the strategy, such as the memory of a machine. Default: false. */
  readonly isWhole?: boolean
}

/** Over which connection a group is sent, and how. */
export interface SendGroupOptions
  extends Pick<
    LiveMigrationOptions,
    | 'strategy'
    | 'maxRounds'
    | 'maxPauseMs'
    | 'targetPauseMs'
    | 'deadlineMs'
    | 'runBytes'
    | 'progressIntervalMs'
    | 'lockerHandler'
    | 'unlockerHandler'
    | 'signal'
    | 'clock'
  > {
  connection: Connection
  /** Runs in flight of all disks together; each has one at least, and of the others a part as its size is of all. Default: `CONCURRENCY.standard`. */
  concurrency?: number
  /**
   * Called once, with the writers still stopped and every disk ready to be owned by the destination, in the order of the disks. What it throws undoes the
   * hand-over of all.
   */
  handOver?: (contexts: readonly HandOverContext[]) => Promise<void> | void
  /** Hears how the `index`-th disk goes. */
  progressHandler?: (index: number, progress: MigrationProgress, blocks: BlockStateReader) => void
  /** Hears what the other side's application says. */
  messageHandler?: GroupMessageHandler
}

/** A group that was handed over. */
export interface SentGroup {
  /** In the order of the group. */
  readonly disks: readonly SentDisk[]
  /** Whether the other side has said of every disk that it owns it and needs this side no more; if not, send again over the next connection. */
  readonly acknowledged: boolean
  /** From the moment the writers were stopped to the end of the hand-over. */
  readonly pauseMs: number
}

/** What of {@link SendGroupOptions} each disk gets. */
export function memberOptions(
  options: SendGroupOptions,
  sizes: readonly number[],
  index: number,
): Pick<
  LiveMigrationOptions,
  'runBytes' | 'maxPauseMs' | 'progressIntervalMs' | 'signal' | 'clock' | 'concurrency' | 'progressHandler'
> {
  const { runBytes, maxPauseMs, progressIntervalMs, signal, clock, progressHandler } = options
  return {
    concurrency: shareOf(options.concurrency ?? CONCURRENCY.standard, sizes, index),
    ...(runBytes === undefined ? {} : { runBytes }),
    ...(maxPauseMs === undefined ? {} : { maxPauseMs }),
    ...(progressIntervalMs === undefined ? {} : { progressIntervalMs }),
    ...(signal ? { signal } : {}),
    ...(clock ? { clock } : {}),
    ...(progressHandler ? { progressHandler: (progress, blocks) => progressHandler(index, progress, blocks) } : {}),
  }
}

/** `1 + (all - disks) * size / sizes`, as Silo has it: all first passes end at about the same time, and no disk stands still. */
function shareOf(all: number, sizes: readonly number[], index: number): NonNullable<MigratorConfig['concurrency']> {
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const share = 1 + Math.floor((Math.max(0, all - sizes.length) * sizes[index]!) / total)
  // Whoever waits at the other side waits for one disk; what they wait for passes the others.
  return { any: share, priority: CONCURRENCY.priority }
}
