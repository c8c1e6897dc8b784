import { abortable } from '../async/abort-watch.ts'
import type { Clock } from '../async/clock.ts'
import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { LiveMigrationOptions, LiveMigrationResult } from '../migration/live-options.ts'
import { Migrator } from '../migration/migrator.ts'
import type { MigratorConfig } from '../migration/migrator-config.ts'
import { Outlook, type OutlookParts } from '../migration/outlook.ts'

/** One disk of several that move together: what is done with it in each phase. */
export class GroupMember {
  /** With an order. */
  readonly options: LiveMigrationOptions
  readonly result: Promise<LiveMigrationResult>
  migrator!: Migrator
  /** Blocks that the destination lacked when the disk was given away. */
  missingBlocks = 0
  /** Bytes stored at the destination that were not all zero. */
  contentBytes = 0
  resolve!: (result: LiveMigrationResult) => void
  reject!: (error: unknown) => void
  readonly #signal: AbortSignal
  #giveBack: (() => void) | undefined
  #outlook: Outlook | undefined

  /** `signal`: ends it because of another disk. */
  constructor(options: LiveMigrationOptions, signal: AbortSignal) {
    this.options = options
    this.#signal = options.signal ? AbortSignal.any([options.signal, signal]) : signal
    this.result = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    this.result.catch(() => {}) // Heard by whoever awaits it.
  }

  /** Nothing of it may be left for after the hand-over. */
  get isWhole(): boolean {
    return (this.options.strategy ?? 'pre-copy') === 'pre-copy'
  }

  /** @throws StorageError `LOCKED`, `BUSY`, InvalidArgumentError */
  begin(clock: Clock, look: Pick<OutlookParts, 'limits' | 'deadlineMs' | 'canSwitch'>): void {
    const { source, destination, order, concurrency, runBytes, progressHandler, errorHandler } = this.options
    if (!order) throw new InvalidArgumentError('order', 'an order', order)
    if (!source.lock) throw new InvalidArgumentError('source', 'a source with a lock', undefined)
    if (source.isLocked) throw new StorageError('LOCKED', 'A source is locked, as after a hand-over; unlock it first.')
    const { blockSize } = source
    const config: MigratorConfig = {
      blockSize,
      clock,
      signal: this.#signal,
      ...(concurrency ? { concurrency } : {}),
      ...(runBytes === undefined ? {} : { runBytes }),
      ...(errorHandler ? { errorHandler } : {}),
      ...(progressHandler ? { progressHandler } : {}),
      blockHandler: (_start, _count, bytes) => {
        this.contentBytes += bytes?.length ?? 0
      },
    }
    this.migrator = new Migrator(source, destination, order, config)
    this.#giveBack = this.migrator.hold()
    if (order.available === 0) order.addAll()
    // Blocks that are not to be sent count as read: a write to one of them from here on makes it dirty.
    const isTracked = this.options.isTracked || order.available === order.numBlocks
    for (let block = 0; !isTracked && block < order.numBlocks; block++) {
      if (!order.has(block)) source.trackAt(block * blockSize, blockSize)
    }
    this.#outlook = new Outlook({ ...look, source, order, clock, migrator: this.migrator })
  }

  /** The deadline calls for a hand-over with a rest. */
  get isLate(): boolean {
    return (this.#outlook?.canSwitch && this.#outlook.isLate) ?? false
  }

  /** As {@link sendAll}, while the writer runs: in slices, until `isLate`; then the rest is in the order. @throws StorageError `DEADLINE_EXCEEDED` */
  async pass(isLate: () => boolean): Promise<void> {
    const { migrator } = this
    const order = this.options.order!
    const outlook = this.#outlook!
    await migrator.migrate(Math.min(migrator.pendingBlocks, outlook.sliceBlocks))
    while (order.available > 0 && !isLate()) {
      outlook.measure()
      outlook.refuse()
      outlook.checkDeadline()
      await migrator.more(Math.min(order.available, outlook.sliceBlocks))
    }
    await migrator.waitForCompletion()
    outlook.checkDeadline()
  }

  /** Sends all that is in the order; resolves when it is stored. */
  async sendAll(): Promise<void> {
    await this.migrator.migrate(this.migrator.pendingBlocks)
    await this.migrator.waitForCompletion()
  }

  /** Takes over dirty blocks, whose copies are void from here on. Resolves when the destination knows. */
  async startRound(): Promise<void> {
    const { source, beforeRound } = this.options
    const dirty = source.sync()
    const copy = beforeRound && !dirty.isEmpty() ? dirty.clone() : undefined
    // First into the order: a destination that hears of them may ask for one at once, and an order that lacks it takes no request.
    this.migrator.takeDirty(dirty)
    // A destination that hangs answers when it likes.
    if (copy)
      await abortable(
        beforeRound!(copy).finally(() => copy.free()),
        this.#signal,
      )
  }

  /** With the writer stopped: what is left goes at once, without waiting for the destination to answer. */
  async sendLast(): Promise<void> {
    const told = this.startRound()
    const sent = this.sendAll()
    for (const end of await Promise.allSettled([told, sent])) if (end.status === 'rejected') throw end.reason
    if (!this.options.handOverFlushes) await abortable(this.options.destination.flush(), this.#signal)
  }

  /** With the writer stopped: what is left goes after the disk was given away. */
  async leaveRest(): Promise<void> {
    await this.startRound()
    this.missingBlocks = this.options.order!.available
    if (!this.options.handOverFlushes) await abortable(this.options.destination.flush(), this.#signal)
  }

  unlock(): void {
    this.migrator?.unlock()
  }

  end(): void {
    this.#giveBack?.()
  }

  counts(): Omit<LiveMigrationResult, 'pauseMs' | 'predictedPauseMs' | 'durationMs' | 'rounds'> {
    const { blocksMoved, bytesMoved, blocksDirtied } = this.migrator
    const { missingBlocks } = this
    return { blocksMoved, bytesMoved, blocksDirtied, blocksRepaired: 0, missingBlocks, root: undefined }
  }
}
