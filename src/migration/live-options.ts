import type { Bitfield } from '../bitfield/bitfield.ts'
import type { BlockOrder } from '../orders/block-order.ts'
import type { BlockDigests } from '../storage/block-digests.ts'
import type { HashName } from '../storage/block-hasher.ts'
import type { StorageProvider } from '../storage/provider.ts'
import type { TrackingStorageProvider } from '../storage/tracking-provider.ts'
import type { MigratorConfig } from './migrator-config.ts'

/**
 * When the disk is handed over. `pre-copy`: once nothing is missing, after a pause in which the last blocks go. `post-copy`: at once; everything
 * moves afterwards. `auto`: blocks move ahead for as long as that pays, then the disk is handed over, with or without a rest.
 */
export type MigrationStrategy = 'auto' | 'pre-copy' | 'post-copy'

/** What to move, where to, and how. */
export interface LiveMigrationOptions extends Omit<MigratorConfig, 'blockSize' | 'blockHandler'> {
  /** The migrator's face of a tracked disk; the application goes on writing to the other face. */
  source: TrackingStorageProvider
  /** As large as the source. Its content is overwritten. */
  destination: StorageProvider
  /** Decides which block goes next. An empty order is filled with all blocks; one that is filled says which blocks the destination lacks. Default: lowest first. */
  order?: BlockOrder
  /** Every block of the source is tracked since before it was known what the order lacks. Default: false, those that it lacks are tracked at the start. */
  isTracked?: boolean
  /**
   * Default: `pre-copy`. The other two need a `handOver` that can give away a disk of which blocks are missing, and then finish at any dirty
   * rate with a pause that does not depend on it.
   */
  strategy?: MigrationStrategy
  /**
   * `read-back`: read everything back and compare hashes before the source is given up; what moves after that is the owner's and not read back.
   * `root`: only keep the root of what was sent, for a destination far away that keeps its own; `handOver` compares. `none`: neither. Default: `read-back`.
   */
  verify?: 'read-back' | 'root' | 'none'
  /** Default: `xxh128`. */
  hash?: HashName
  /**
   * Digests of blocks that the order leaves out since the destination has them, so that the root is known all the same. Kept up to date with what is
   * stored at the destination; blocks written at the source are forgotten before they are sent again. `hash` is then theirs. Default: nothing is known.
   */
  digests?: BlockDigests
  /** Default: `ROUNDS`. */
  maxRounds?: number
  /** Longest predicted pause that is accepted. Default: `PAUSE_MS`. */
  maxPauseMs?: number
  /** A predicted pause not worth another round. Default: `TARGET_PAUSE_MS`. */
  targetPauseMs?: number
  /**
   * Everything is to be over by then. Refused as soon as rate and dirty rate are known and say that it will not; then, while the source is still
   * ours, an `auto` migration is handed over in time for the rest, and a `pre-copy` ends with `DEADLINE_EXCEEDED`. `post-copy` measures nothing before it hands over and takes any. Default: none.
   */
  deadlineMs?: number
  /**
   * Called before dirty blocks are sent again: the destination must know that its copies are void. The field is only looked at. With the writer
   * stopped the blocks follow at once: what must come before them happens before the promise is returned.
   */
  beforeRound?: (dirty: Bitfield) => Promise<void>
  /**
   * Called with the writer still stopped once both sides are equal, but for the missing blocks: the place to point the application to the
   * destination. What it throws undoes the hand-over, so it may throw only while the source may still be written; once that is given away for good it
   * says `released`. After it has resolved nothing unlocks the source.
   */
  handOver?: (context: HandOverContext) => Promise<HandOverOutcome> | HandOverOutcome
  /** `handOver` flushes the destination itself: one wait less in the pause. Default: false. */
  handOverFlushes?: boolean
}

/** How far the destination is when the disk is about to be handed over. */
export interface HandOverContext {
  /** Root hash of the disk as of now; undefined without verification and where a block is not known. */
  readonly root: Uint8Array | undefined
  /** Blocks that the destination lacks; 0 unless the rest is moved after the hand-over. */
  readonly missingBlocks: number
}

/** `released`: the source has been given away durably; whatever fails from here on, nobody unlocks it. */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler that only looks on returns nothing.
export type HandOverOutcome = { readonly released: true } | void

/** A finished live migration. */
export interface LiveMigrationResult {
  /** Rounds over dirty blocks, the last one with the writer stopped included. */
  readonly rounds: number
  readonly blocksMoved: number
  /** Bytes stored at the destination, repetitions and zeroes included. */
  readonly bytesMoved: number
  /** Blocks that were written after they had been read. */
  readonly blocksDirtied: number
  /** Blocks that did not read back as sent and were sent again. */
  readonly blocksRepaired: number
  /** Blocks that moved after the hand-over. */
  readonly missingBlocks: number
  /** From the moment the writer was stopped to the end of the hand-over. */
  readonly pauseMs: number
  /** What was expected just before the writer was stopped. */
  readonly predictedPauseMs: number
  readonly durationMs: number
  /** Root hash of the disk as of the hand-over; undefined without verification or when a block is not known. */
  readonly root: Uint8Array | undefined
}
