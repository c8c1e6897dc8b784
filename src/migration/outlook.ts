import type { Clock } from '../async/clock.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { BlockOrder } from '../orders/block-order.ts'
import type { TrackingStorageProvider } from '../storage/tracking-provider.ts'
import type { ConvergenceLimits } from './convergence.ts'
import { type Forecast, Forecaster } from './forecast.ts'
import { DEADLINE_RESERVE, PROBE_MS, RESENT_SHARE, SLICE_BYTES } from './limits.ts'
import type { Migrator } from './migrator.ts'

/** What an outlook looks at. */
export interface OutlookParts {
  readonly source: TrackingStorageProvider
  readonly order: BlockOrder
  readonly migrator: Migrator
  readonly clock: Clock
  readonly limits: ConvergenceLimits
  readonly deadlineMs: number
  /** The disk may be handed over while blocks are missing. */
  readonly canSwitch: boolean
}

/** How long a live migration and its pause will take, as far as can be told, and whether that keeps within its limits. */
export class Outlook {
  readonly canSwitch: boolean
  /** Blocks moved between two looks. */
  readonly sliceBlocks: number
  /** What flushing has cost last: part of every pause. */
  flushMs = 0
  verifyMsPerBlock = 0
  /** Blocks that were sent again though nobody wrote them. */
  blocksRepaired = 0
  readonly #parts: OutlookParts
  readonly #forecaster = new Forecaster()
  readonly #startedAt: number
  readonly #plannedBlocks: number
  #isProbed = false

  constructor(parts: OutlookParts) {
    this.#parts = parts
    this.canSwitch = parts.canSwitch
    this.sliceBlocks = Math.max(1, SLICE_BYTES / parts.source.blockSize)
    this.#startedAt = parts.clock.now()
    this.#plannedBlocks = parts.order.available
  }

  get elapsedMs(): number {
    return this.#parts.clock.now() - this.#startedAt
  }

  /** Time to send what is left, at the cost of the latest round; 0 while no block with content has been moved. */
  get sendMs(): number {
    const { migrator, source } = this.#parts
    return (migrator.pendingBlocks + source.dirtyBlocks) * ((migrator.msPerBlock ?? 0) + this.verifyMsPerBlock)
  }

  /** How long the writer would wait for what is left; where a rest may follow, only for what is sent at once. */
  get predictedPauseMs(): number {
    const { sendMs } = this
    return (this.canSwitch && sendMs > this.#parts.limits.targetPauseMs ? 0 : sendMs) + this.flushMs
  }

  /** What is left takes so little time that it may as well be sent with the writer stopped. */
  get isRestShort(): boolean {
    const { migrator, source, limits } = this.#parts
    if (migrator.msPerBlock === undefined) return migrator.pendingBlocks + source.dirtyBlocks === 0
    return this.sendMs <= limits.targetPauseMs
  }

  /** The writer would have to wait for longer than is accepted. */
  get isTooLong(): boolean {
    return this.predictedPauseMs > this.#parts.limits.maxPauseMs
  }

  /** To move more ahead would cost more than it brings, or the deadline calls for an end: the rest goes after the hand-over. */
  get mustSwitch(): boolean {
    if (!this.canSwitch) return false
    const { migrator } = this.#parts
    const resent = migrator.blocksDirtied - this.blocksRepaired
    return resent >= Math.max(1, this.#plannedBlocks * RESENT_SHARE) || this.isLate
  }

  /** The deadline calls for an end. */
  get isLate(): boolean {
    const { deadlineMs } = this.#parts
    if (deadlineMs === Number.POSITIVE_INFINITY) return false
    const forecast = this.forecast()
    return forecast !== undefined && forecast.durationMs > deadlineMs * (1 - DEADLINE_RESERVE)
  }

  /** To be called now and then while blocks move. */
  measure(): void {
    this.#forecaster.note(this.elapsedMs, this.#parts.migrator.blocksMoved / this.#plannedBlocks)
  }

  forecast(): Forecast | undefined {
    const { migrator, source } = this.#parts
    const measured = {
      elapsedMs: this.elapsedMs,
      // With the writer stopped nothing becomes dirty any more.
      plannedBlocks: migrator.isLocked ? 0 : this.#plannedBlocks,
      movedBlocks: migrator.blocksMoved,
      pendingBlocks: migrator.pendingBlocks,
      dirtyBlocks: source.dirtyBlocks,
      isFirstPass: migrator.round === 0,
    }
    return this.#forecaster.predict(measured, {
      dirtiedBlocks: migrator.blocksDirtied - this.blocksRepaired,
      canSwitch: this.canSwitch,
    })
  }

  /** Once enough has been measured, refuses a deadline that cannot be kept. @throws StorageError `DEADLINE_EXCEEDED` */
  refuse(): void {
    if (this.#isProbed || this.elapsedMs < PROBE_MS) return
    this.#isProbed = true
    const forecast = this.forecast()
    if (forecast && forecast.durationMs > this.#parts.deadlineMs) throw this.#tooLate(forecast)
  }

  /** @throws StorageError `DEADLINE_EXCEEDED` when it is too late for an end in time, and the source is still ours. */
  checkDeadline(): void {
    const forecast = this.forecast()
    const isLate = this.elapsedMs + this.predictedPauseMs > this.#parts.deadlineMs
    if (isLate && !(this.canSwitch && this.elapsedMs <= this.#parts.deadlineMs)) throw this.#tooLate(forecast)
  }

  tooBusy(rounds: number): StorageError {
    const { maxPauseMs } = this.#parts.limits
    const { predictedPauseMs } = this
    return new StorageError(
      'DID_NOT_CONVERGE',
      `After ${rounds} rounds the writer would still have to wait ${Math.round(predictedPauseMs)} ms, ${maxPauseMs} ms are allowed; ` +
        'slow it down or allow a longer pause.',
      { context: { rounds, predictedPauseMs, maxPauseMs, ...this.#rates(this.forecast()) } },
    )
  }

  #tooLate(forecast: Forecast | undefined): StorageError {
    const { deadlineMs } = this.#parts
    const estimatedMs = Math.max(this.elapsedMs, forecast?.durationMs ?? 0)
    const seconds = estimatedMs === Number.POSITIVE_INFINITY ? 'for ever' : `${Math.round(estimatedMs / 100) / 10} s`
    return new StorageError(
      'DEADLINE_EXCEEDED',
      `The migration would take ${seconds}, ${Math.round(deadlineMs / 100) / 10} s are allowed; the source was not given away.`,
      { context: { estimatedMs, deadlineMs, ...this.#rates(forecast) } },
    )
  }

  #rates(forecast: Forecast | undefined): { bytesPerSecond?: number; dirtyBytesPerSecond?: number } {
    if (!forecast) return {}
    const { blockSize } = this.#parts.source
    return {
      bytesPerSecond: Math.round((blockSize / forecast.msPerBlock) * 1000),
      dirtyBytesPerSecond: Math.round(blockSize * forecast.dirtyPerMs * 1000),
    }
  }
}
