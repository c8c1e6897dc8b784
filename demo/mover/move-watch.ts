import { systemClock } from '../../src/async/clock.ts'
import type { BlockStateReader, MigrationProgress } from '../../src/migration/progress.ts'
import type { SyntheticWriter } from '../../src/modules/synthetic-writer.ts'
import type { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import type { TrackingStorageProvider } from '../../src/storage/tracking-provider.ts'
import type { Figures } from './messages.ts'
import type { BlockWatch } from './snapshots.ts'

/** So long without a word from the migration means that nothing crosses: it flushes and reads back. */
const QUIET_MS = 400

/** What is known of a move at any moment, also between two reports of the migration. */
export class MoveWatch implements BlockWatch {
  readonly #source: TrackingStorageProvider
  readonly #monitor: VolatilityMonitor
  readonly #writer: SyntheticWriter
  readonly #startedAt = systemClock.now()
  #notedAt = this.#startedAt
  /** Dirty blocks at that time. */
  #dirtyThen = 0
  #progress: MigrationProgress | undefined
  #blocks: BlockStateReader | undefined

  constructor(source: TrackingStorageProvider, monitor: VolatilityMonitor, writer: SyntheticWriter) {
    this.#source = source
    this.#monitor = monitor
    this.#writer = writer
  }

  /** Takes a report of the migration. */
  note(progress: MigrationProgress, blocks: BlockStateReader): void {
    this.#notedAt = systemClock.now()
    this.#dirtyThen = this.#source.dirtyBlocks
    this.#progress = progress
    this.#blocks = blocks
  }

  states(target: Uint8Array): void {
    if (this.#blocks) this.#blocks.blockStates(target)
    else target.fill(0)
  }

  heat(block: number): number {
    return this.#monitor.level(block)
  }

  figures(): Figures {
    const now = systemClock.now()
    const progress = this.#progress
    const isChecking = progress !== undefined && now - this.#notedAt > QUIET_MS
    return {
      elapsedMs: now - this.#startedAt,
      round: progress?.round ?? 0,
      bytesMoved: progress?.bytesMoved ?? 0,
      movedRate: isChecking ? 0 : (progress?.bytesPerSecond ?? 0),
      dirtyRate: isChecking ? this.#dirtyRateSince(now) : (progress?.dirtyBytesPerSecond ?? 0),
      dirtyBlocks: this.#source.dirtyBlocks,
      timeLeftMs: isChecking ? undefined : progress?.timeLeftMs,
      predictedPauseMs: progress?.predictedPauseMs,
      writes: this.#writer.writes,
      isChecking,
    }
  }

  /** Between two reports dirty blocks only ever become more. */
  #dirtyRateSince(now: number): number {
    const blocks = Math.max(0, this.#source.dirtyBlocks - this.#dirtyThen)
    return ((blocks * this.#source.blockSize) / (now - this.#notedAt)) * 1000
  }
}
