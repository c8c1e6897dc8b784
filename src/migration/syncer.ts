import { throwIfAborted } from '../async/abort.ts'
import { type Clock, systemClock } from '../async/clock.ts'
import type { Bitfield } from '../bitfield/bitfield.ts'
import { checkInteger, InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import { AnyBlockOrder } from '../orders/any-block-order.ts'
import { addBlocks, type BlockOrder } from '../orders/block-order.ts'
import type { StorageProvider } from '../storage/provider.ts'
import type { TrackingStorageProvider } from '../storage/tracking-provider.ts'
import { SLICE_BYTES, SYNC_LONGEST_RETRY_MS, SYNC_MAX_AGE_MS, SYNC_PERIOD_MS, SYNC_RETRY_MS } from './limits.ts'
import { Migrator } from './migrator.ts'
import { checkDuration, type MigratorConfig } from './migrator-config.ts'
import { SafeBlocks } from './safe-blocks.ts'

/** What to keep a copy of, where, and how fresh. */
export interface SyncerOptions
  extends Pick<
    MigratorConfig,
    'concurrency' | 'runBytes' | 'freshDestination' | 'blockHandler' | 'progressIntervalMs' | 'signal' | 'clock'
  > {
  /** The migrator's face of a tracked disk; the application goes on writing to the other face. */
  source: TrackingStorageProvider
  /** As large as the source. Its content is overwritten. */
  destination: StorageProvider
  /** Decides which block of a round goes next. An empty order: the destination lacks all blocks; one that is filled says which. Default: lowest first. */
  order?: BlockOrder
  /** Least time between the beginnings of two rounds, in milliseconds. Default: `SYNC_PERIOD_MS`. */
  periodMs?: number
  /** Most blocks of a round; with `periodMs` a limit on the rate. Default: all that are ready. */
  roundBlocks?: number
  /** A block goes once nobody has written it for this long, so that what is written again and again is sent less often. Default: 0, at once. */
  minAgeMs?: number
  /** Every so often all blocks count as old enough, also those that are written without end. Default: `SYNC_MAX_AGE_MS`. */
  maxAgeMs?: number
  /**
   * Hears of a round that failed; its blocks go again after `SYNC_RETRY_MS`, and later if that fails too. It may call `stop`; what it throws ends the
   * run. Without one, a failure ends the run.
   */
  errorHandler?: (error: unknown) => void
  /** Hears how it goes, at most every `progressIntervalMs`, and at the end of each round. */
  progressHandler?: (progress: SyncerProgress) => void
}

/** How a replica stands. */
export interface SyncerProgress {
  /** `waiting`: for writes, or for the next round. */
  readonly phase: 'stopped' | 'waiting' | 'moving' | 'flushing'
  /** Rounds that have begun. */
  readonly round: number
  readonly totalBlocks: number
  readonly safeBlocks: number
  /** Blocks that wait for their turn or their age. */
  readonly owedBlocks: number
  /** Blocks of the round that are not stored yet. */
  readonly movingBlocks: number
  /** Bytes stored at the destination, repetitions and zeroes included. */
  readonly bytesMoved: number
}

interface Wait {
  resolve(): void
  reject(error: unknown): void
}

/**
 * Keeps a copy of a disk that is being written, round after round, and knows which of its blocks are safe.
 *
 * A block is safe when the destination has stored *and* flushed it and no write to it has ended here since: should this side vanish now, the
 * destination has exactly what was acknowledged. A block that is handed out stays owed until then; an error puts it back.
 *
 * Holds the source for itself from its construction until {@link close}, as a migration does, also while it is stopped.
 */
export class Syncer {
  readonly #destination: StorageProvider
  readonly #order: BlockOrder
  readonly #options: SyncerOptions
  readonly #clock: Clock
  readonly #blocks: SafeBlocks
  readonly #migrator: Migrator
  readonly #giveBack: () => void
  readonly #sliceBlocks: number
  #phase: SyncerProgress['phase'] = 'stopped'
  #isStopping = false
  #isClosed = false
  #round = 0
  #roundAt = Number.NEGATIVE_INFINITY
  #agedAt = Number.NEGATIVE_INFINITY
  #sweptAt = Number.NEGATIVE_INFINITY
  #running: Promise<void> | undefined
  #nap: AbortController | undefined
  /** Who waits for the blocks of `#awaited`, and who for the next such set. */
  #served: Wait[] = []
  #asking: Wait[] = []
  #awaited: Bitfield | undefined

  /** @throws InvalidArgumentError, StorageError `SIZE_MISMATCH`, `BUSY` */
  constructor(options: SyncerOptions) {
    const { source, destination, periodMs, minAgeMs, maxAgeMs, roundBlocks = 1 } = options
    const { concurrency, runBytes, freshDestination, progressIntervalMs, signal } = options
    if (!(checkDuration('periodMs', periodMs ?? 1) > 0))
      throw new InvalidArgumentError('periodMs', 'a number > 0', periodMs)
    checkDuration('minAgeMs', minAgeMs ?? 0)
    checkDuration('maxAgeMs', maxAgeMs ?? 0)
    checkInteger('roundBlocks', roundBlocks, 1)
    const { blockSize } = source
    this.#destination = destination
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#order = options.order ?? new AnyBlockOrder(Math.ceil(source.size / blockSize))
    this.#sliceBlocks = Math.max(1, Math.floor(SLICE_BYTES / blockSize))
    this.#migrator = new Migrator(source, destination, this.#order, {
      blockSize,
      clock: this.#clock,
      ...(concurrency ? { concurrency } : {}),
      ...(runBytes === undefined ? {} : { runBytes }),
      ...(freshDestination ? { freshDestination } : {}),
      ...(progressIntervalMs === undefined ? {} : { progressIntervalMs }),
      ...(signal ? { signal } : {}),
      ...(options.progressHandler ? { progressHandler: () => this.#report() } : {}),
      blockHandler: (start, count, bytes) => {
        options.blockHandler?.(start, count, bytes)
        this.#blocks.landed(start, count)
      },
    })
    this.#giveBack = this.#migrator.hold()
    try {
      this.#blocks = new SafeBlocks(source, this.#order)
    } catch (error) {
      this.#giveBack()
      throw error
    }
  }

  /**
   * Begins, or goes on with what is owed after a stop. Resolves when {@link stop} has ended it.
   * @throws what a round failed with, without an `errorHandler`; MigrationError, `ABORTED`. It may be run again.
   */
  run(): Promise<void> {
    this.#checkOpen()
    if (this.#running) return this.#running
    this.#isStopping = false
    const running = this.#rounds().finally(() => {
      this.#running = undefined
      this.#phase = 'stopped'
    })
    this.#running = running
    return running
  }

  /** Ends the run soon: what is under way arrives and is flushed. Resolves when it has ended, well or not. What is safe stays known. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#nap?.abort()
    await this.#running?.catch(() => {}) // Heard by whoever ran it.
  }

  /** Stops, and gives the source back. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.stop()
    this.#endWaits(new StorageError('CLOSED'))
    this.#blocks.free()
    this.#giveBack()
  }

  isSafe(block: number): boolean {
    this.#checkOpen()
    return this.#blocks.isSafe(block)
  }

  /** The blocks that are safe now, as of the writes that have ended; the caller frees the field. */
  safeBlocks(): Bitfield {
    this.#checkOpen()
    return this.#blocks.safe()
  }

  /**
   * Resolves when everything written so far is safe, or was before it was written again; its blocks go without waiting for their age. Waits through
   * stops and failures that an `errorHandler` takes.
   * @throws StorageError `ABORTED`, `CLOSED`, or what ended the run
   */
  async whenSafe(options: { signal?: AbortSignal } = {}): Promise<void> {
    this.#checkOpen()
    const { signal } = options
    throwIfAborted(signal)
    let stop = () => {}
    try {
      await new Promise<void>((resolve, reject) => {
        stop = () => reject(new StorageError('ABORTED', undefined, { cause: signal?.reason }))
        signal?.addEventListener('abort', stop, { once: true })
        this.#asking.push({ resolve, reject })
        this.#nap?.abort()
      })
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  /** How it stands now; looks at all blocks. */
  progress(): SyncerProgress {
    this.#checkOpen()
    const { bytesMoved, pendingBlocks } = this.#migrator
    const safe = this.#blocks.safe()
    try {
      return {
        phase: this.#phase,
        round: this.#round,
        totalBlocks: safe.length,
        safeBlocks: safe.count(),
        owedBlocks: this.#blocks.owedBlocks,
        movingBlocks: pendingBlocks + this.#migrator.progress().activeBlocks,
        bytesMoved,
      }
    } finally {
      safe.free()
    }
  }

  async #rounds(): Promise<void> {
    const { signal, errorHandler, periodMs = SYNC_PERIOD_MS } = this.#options
    const wake = () => this.#nap?.abort()
    signal?.addEventListener('abort', wake)
    let retryMs = SYNC_RETRY_MS
    try {
      // The caller has its promise before anything happens.
      await undefined
      while (!this.#isStopping) {
        throwIfAborted(signal)
        const now = this.#clock.now()
        this.#choose(now)
        const early = this.#roundAt + periodMs - now
        const isDue = this.#blocks.hasReady || this.#blocks.hasLanded
        // Who asks for what is written now is not kept waiting for writes that may come; a limit on the rate holds for it too.
        if (!isDue || (early > 0 && !(this.#served.length > 0 && this.#options.roundBlocks === undefined))) {
          await this.#sleep(early > 0 ? early : periodMs)
          continue
        }
        this.#roundAt = now
        try {
          await this.#moveRound()
          retryMs = SYNC_RETRY_MS
        } catch (error) {
          throwIfAborted(signal)
          if (!errorHandler) throw error
          errorHandler(error)
          await this.#sleep(retryMs)
          retryMs = Math.min(2 * retryMs, SYNC_LONGEST_RETRY_MS)
        }
      }
    } catch (error) {
      this.#endWaits(error)
      throw error
    } finally {
      signal?.removeEventListener('abort', wake)
    }
  }

  /** Decides what is ready to go. */
  #choose(now: number): void {
    const { minAgeMs = 0, maxAgeMs = SYNC_MAX_AGE_MS } = this.#options
    const isAsked = this.#served.length === 0 && this.#asking.length > 0
    if (isAsked || minAgeMs === 0 || now - this.#sweptAt >= maxAgeMs) {
      this.#blocks.sweep()
      this.#sweptAt = now
      this.#agedAt = now
    } else if (now - this.#agedAt >= minAgeMs) {
      this.#blocks.age()
      this.#agedAt = now
    }
    if (!isAsked) return
    this.#served = this.#asking
    this.#asking = []
    this.#awaited = this.#blocks.unsafe()
    this.#serve()
  }

  async #moveRound(): Promise<void> {
    this.#round++
    this.#phase = 'moving'
    try {
      if (this.#blocks.hasReady) await this.#move(this.#blocks.take(this.#options.roundBlocks ?? this.#order.numBlocks))
      this.#phase = 'flushing'
      await this.#destination.flush()
      this.#blocks.flushed(this.#awaited)
      this.#serve()
    } finally {
      this.#phase = 'waiting'
    }
    this.#report()
  }

  /** Sends these blocks, and frees the field; those that were not sent are owed as before. */
  async #move(taken: Bitfield): Promise<void> {
    const migrator = this.#migrator
    const order = this.#order
    try {
      // In the first pass the destination has nothing that could be older.
      if (this.#blocks.hasCollected || this.#round > 1) migrator.takeDirty(taken)
      else {
        taken.forEachRun((start, count) => addBlocks(order, start, count))
        taken.free()
      }
      await migrator.migrate(Math.min(migrator.pendingBlocks, this.#sliceBlocks))
      while (order.available > 0 && !this.#isStopping) {
        await migrator.more(Math.min(order.available, this.#sliceBlocks))
      }
      await migrator.waitForCompletion()
    } finally {
      this.#blocks.putBack(order)
    }
  }

  #serve(): void {
    if (!this.#awaited?.isEmpty()) return
    this.#awaited.free()
    this.#awaited = undefined
    for (const { resolve } of this.#served.splice(0)) resolve()
  }

  #endWaits(error: unknown): void {
    this.#awaited?.free()
    this.#awaited = undefined
    for (const { reject } of [...this.#served.splice(0), ...this.#asking.splice(0)]) reject(error)
  }

  /** Ends early when there is news. */
  async #sleep(ms: number): Promise<void> {
    this.#phase = 'waiting'
    if (this.#isStopping) return
    const nap = new AbortController()
    this.#nap = nap
    try {
      await this.#clock.sleep(ms, nap.signal)
    } catch (error) {
      if (!nap.signal.aborted) throw error
    } finally {
      this.#nap = undefined
    }
  }

  #report(): void {
    this.#options.progressHandler?.(this.progress())
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new StorageError('CLOSED', 'This syncer was closed.')
  }
}
