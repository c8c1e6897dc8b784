import { abortError, throwIfAborted } from '../async/abort.ts'
import type { Clock } from '../async/clock.ts'
import type { Bitfield } from '../bitfield/bitfield.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { BlockOrder } from '../orders/block-order.ts'
import type { BlockDigests } from '../storage/block-digests.ts'
import { Convergence, type ConvergenceLimits } from './convergence.ts'
import { limitPause } from './limit-pause.ts'
import type { LiveMigrationOptions } from './live-options.ts'
import type { Migrator } from './migrator.ts'
import { carryRest } from './move-rest.ts'
import type { Outlook } from './outlook.ts'
import { Turn } from './turn.ts'
import type { Verifier } from './verifier.ts'

/** What a live migration works with. */
export interface LiveRunParts {
  readonly limits: ConvergenceLimits
  readonly clock: Clock
  readonly order: BlockOrder
  readonly migrator: Migrator
  /** Ends what the migrator does. */
  readonly stop: AbortController
  /** Fires when it has ended, or when the caller aborts. */
  readonly stopped: AbortSignal
  readonly outlook: Outlook
  readonly digests: BlockDigests | undefined
  readonly verifier: Verifier | undefined
}

/** How the writer was stopped. */
export interface Pause {
  readonly pauseMs: number
  readonly predictedPauseMs: number
}

/** One live migration on its way: blocks move ahead, the writer is stopped, the disk is handed over, the rest follows. */
export class LiveRun {
  rounds = 0
  blocksRepaired = 0
  /** Blocks that the destination lacked when the disk was handed over. */
  missingBlocks = 0
  /** The disk has a new owner: nothing may unlock the source. */
  released = false
  readonly #options: LiveMigrationOptions
  readonly #parts: LiveRunParts
  readonly #migrator: Migrator
  readonly #outlook: Outlook
  readonly #convergence: Convergence
  #blocksVerified = 0
  /** Rejects when it is stopped: what a destination that hangs was asked ends when it likes. */
  readonly #stopped: Promise<never>

  constructor(options: LiveMigrationOptions, parts: LiveRunParts) {
    this.#options = options
    this.#parts = parts
    this.#migrator = parts.migrator
    this.#outlook = parts.outlook
    this.#convergence = new Convergence(parts.limits)
    const { stopped } = parts
    this.#stopped = new Promise((_, reject) => {
      stopped.onabort = () => reject(abortError(stopped))
    })
    this.#stopped.catch(() => {}) // Heard by whoever waits for the destination then.
  }

  async move(): Promise<Pause> {
    const { order } = this.#parts
    if (this.#options.strategy !== 'post-copy') await this.#moveAhead()
    for (;;) {
      const { predictedPauseMs } = this.#outlook
      const pauseMs = await this.#stopWriter()
      if (pauseMs !== undefined) {
        if (this.missingBlocks > 0) await carryRest(this.#migrator, order, this.#options.destination)
        return { pauseMs, predictedPauseMs }
      }
      await this.#moveAhead()
    }
  }

  /** Passes over what is to be moved, until the writer is best stopped. */
  async #moveAhead(): Promise<void> {
    for (;;) {
      await this.#pass()
      await this.#settle()
      this.#outlook.checkDeadline()
      const step = this.#outlook.mustSwitch ? 'lock' : this.#convergence.next(this.rounds, this.#outlook)
      if (step === 'give-up' && !this.#outlook.canSwitch) throw this.#outlook.tooBusy(this.rounds)
      if (step !== 'round') return this.#outlook.canSwitch ? this.#checkPause() : undefined
      await this.#startRound(this.#options.source.sync())
    }
  }

  /** Where a rest may follow, no round shortens the pause: only flushing can be too slow, and what it took last may have been for gigabytes. */
  async #checkPause(): Promise<void> {
    if (this.#outlook.isTooLong) await this.#flush()
    if (this.#outlook.isTooLong) throw this.#outlook.tooBusy(this.rounds)
  }

  /** Moves what is in the order, and leaves the pass as soon as what remains is better moved with the writer stopped, or afterwards. */
  async #pass(): Promise<void> {
    const { order, clock } = this.#parts
    // A slice between two storages in memory is over before the migrator thinks of letting others run.
    const turn = new Turn(clock)
    // Blocks that failed in an earlier pass get another chance.
    await this.#migrator.migrate(Math.min(this.#migrator.pendingBlocks, this.#outlook.sliceBlocks))
    while (order.available > 0) {
      if (turn.isOver) await turn.pass()
      this.#outlook.measure()
      this.#outlook.refuse()
      this.#outlook.checkDeadline()
      if (this.#outlook.isRestShort || this.#outlook.mustSwitch) return
      await this.#migrator.more(Math.min(order.available, this.#outlook.sliceBlocks))
    }
  }

  /** Takes over dirty blocks, whose copies are void from here on. Resolves when the destination knows. */
  #startRound(dirty: Bitfield): Promise<void> {
    const { digests } = this.#parts
    const { beforeRound } = this.#options
    this.rounds++
    const copy = beforeRound && !dirty.isEmpty() ? dirty.clone() : undefined
    if (digests) dirty.forEachRun((start, count) => digests.forget(start, count))
    // First into the order: a destination that hears of them may ask for one at once, and an order that lacks it takes no request.
    this.#migrator.takeDirty(dirty)
    return copy ? Promise.race([this.#announce(copy), this.#stopped]) : Promise.resolve()
  }

  async #announce(dirty: Bitfield): Promise<void> {
    try {
      await this.#options.beforeRound?.(dirty)
    } finally {
      dirty.free()
    }
  }

  /** Undefined when there had been written too much just before: then the writer goes on, and a round has begun. */
  async #stopWriter(): Promise<number | undefined> {
    const { clock } = this.#parts
    const { source, handOver, signal } = this.#options
    const stoppedAt = clock.now()
    const end = limitPause(clock, this.#parts.limits.maxPauseMs, this.#parts.stop)
    try {
      await this.#migrator.lock()
      if (this.#outlook.isTooLong) {
        this.#migrator.unlock()
        end()
        if (this.rounds >= this.#parts.limits.maxRounds) throw this.#outlook.tooBusy(this.rounds)
        await this.#startRound(source.sync())
        return undefined
      }
      this.#migrator.enter('locked')
      const leavesRest = this.#outlook.canSwitch && !this.#outlook.isRestShort
      await (leavesRest ? this.#leaveRest() : this.#moveLast())
    } finally {
      end()
    }
    const root = this.#parts.digests?.root()
    // The last moment at which an abort leaves everything as it was.
    throwIfAborted(signal)
    await handOver?.({ root, missingBlocks: this.missingBlocks })
    this.released = true
    return clock.now() - stoppedAt
  }

  /** Everything that is left goes now: neither side waits for the other to speak before it sends. */
  async #moveLast(): Promise<void> {
    const told = this.#startRound(this.#options.source.sync())
    const sent = this.#sendAll()
    for (const end of await Promise.allSettled([told, sent])) if (end.status === 'rejected') throw end.reason
    await this.#settle()
  }

  async #sendAll(): Promise<void> {
    await this.#migrator.migrate(this.#migrator.pendingBlocks)
    await this.#migrator.waitForCompletion()
  }

  /** What is left goes after the hand-over, and what went before is flushed; the destination is told which of its copies are void. */
  async #leaveRest(): Promise<void> {
    await this.#startRound(this.#options.source.sync())
    this.missingBlocks = this.#parts.order.available
  }

  /** Waits until what was sent is stored, flushed and read back; sends again, once, what does not read back as sent. */
  async #settle(): Promise<void> {
    await this.#migrator.waitForCompletion()
    await this.#flush()
    // What is hashed now is not hashed in the pause.
    this.#parts.digests?.tree.root()
    const wrong = await this.#verify()
    if (!wrong) return
    this.blocksRepaired += wrong.count()
    this.#outlook.blocksRepaired = this.blocksRepaired
    await this.#sendAgain(wrong)
    await this.#flush()
    const still = await this.#verify()
    if (!still) return
    const context = { blocks: still.count(), firstBlock: still.nextSet(0) }
    this.#parts.verifier?.distrust(still)
    throw new StorageError('VERIFY_FAILED', undefined, { context })
  }

  /** Sends these blocks and nothing else that waits. */
  async #sendAgain(wrong: Bitfield): Promise<void> {
    await this.#migrator.migrateDirty(wrong)
    await this.#migrator.waitForCompletion()
  }

  /** Not in the pause where the hand-over does it. */
  async #flush(): Promise<void> {
    const { destination, handOverFlushes = false } = this.#options
    if (handOverFlushes && this.#migrator.isLocked && !this.#readsBack) return
    const startedAt = this.#parts.clock.now()
    await Promise.race([destination.flush(), this.#stopped])
    this.#outlook.flushMs = this.#parts.clock.now() - startedAt
  }

  get #readsBack(): boolean {
    return this.#parts.verifier !== undefined && (this.#options.verify ?? 'read-back') === 'read-back'
  }

  async #verify(): Promise<Bitfield | undefined> {
    if (!this.#readsBack) return undefined
    const { signal } = this.#options
    // Later rounds are short, and who watches wants to see their number.
    if (this.rounds === 0) this.#migrator.enter('verify')
    const startedAt = this.#parts.clock.now()
    const stored = this.#migrator.blocksMoved - this.#blocksVerified
    const wrong = await this.#parts.verifier!.verify(signal ? { signal } : {})
    this.#blocksVerified += stored
    if (stored > 0) this.#outlook.verifyMsPerBlock = (this.#parts.clock.now() - startedAt) / stored
    return wrong
  }
}
