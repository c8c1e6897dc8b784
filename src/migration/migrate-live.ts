import { throwIfAborted } from '../async/abort.ts'
import type { Clock } from '../async/clock.ts'
import type { Bitfield } from '../bitfield/bitfield.ts'
import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import { AnyBlockOrder } from '../orders/any-block-order.ts'
import type { BlockOrder } from '../orders/block-order.ts'
import { createBlockHasher, type HashName } from '../storage/block-hasher.ts'
import { HashTree } from '../storage/hash-tree.ts'
import type { StorageProvider } from '../storage/provider.ts'
import type { TrackingStorageProvider } from '../storage/tracking-provider.ts'
import { Convergence, type ConvergenceLimits, convergenceLimits } from './convergence.ts'
import { Migrator } from './migrator.ts'
import { checkConfig, type MigratorConfig } from './migrator-config.ts'
import { Verifier } from './verifier.ts'

/** What to move, where to, and how. */
export interface LiveMigrationOptions extends Omit<MigratorConfig, 'blockSize' | 'blockHandler'> {
  /** The migrator's face of a tracked disk; the application goes on writing to the other face. */
  source: TrackingStorageProvider
  /** As large as the source. Its content is overwritten. */
  destination: StorageProvider
  /** Decides which block goes next. An empty order is filled with all blocks; one that is filled says which blocks the destination lacks. Default: lowest first. */
  order?: BlockOrder
  /**
   * `read-back`: read everything back and compare hashes before the source is given up. `root`: only keep the root of what was sent, for a
   * destination far away that keeps its own; `handOver` compares. `none`: neither. Default: `read-back`.
   */
  verify?: 'read-back' | 'root' | 'none'
  /** Default: `xxh128`. */
  hash?: HashName
  /** Default: `ROUNDS`. */
  maxRounds?: number
  /** Longest predicted pause that is accepted. Default: `PAUSE_MS`. */
  maxPauseMs?: number
  /** A predicted pause not worth another round. Default: `TARGET_PAUSE_MS`. */
  targetPauseMs?: number
  /** Called before dirty blocks are sent again: the destination must know that its copies are void. The field is only looked at. */
  beforeRound?: (dirty: Bitfield) => Promise<void>
  /**
   * Called with the writer still stopped once both sides are equal: the place to point the application to the destination. What it throws
   * undoes the hand-over, so it may throw only while the source may still be written; once that is given away for good it says `released`.
   */
  handOver?: (context: HandOverContext) => Promise<HandOverOutcome> | HandOverOutcome
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
  /** From the moment the writer was stopped to the end of the hand-over. */
  readonly pauseMs: number
  /** What was expected just before the writer was stopped. */
  readonly predictedPauseMs: number
  readonly durationMs: number
  /** Root hash of both disks; undefined without verification or when the order left blocks out. */
  readonly root: Uint8Array | undefined
}

/**
 * Moves a disk while it is being written: one full pass, rounds over what was written meanwhile, then the writer is stopped for the last
 * round, and source and destination are equal, flushed and, unless declined, verified.
 *
 * On success the source stays locked: it has been handed over, `source.unlock()` takes it back. On failure or abort it runs on as if
 * nothing had happened, and a later migration can succeed.
 * @throws StorageError `LOCKED` for a source that was handed over already, `DID_NOT_CONVERGE`, `VERIFY_FAILED`, `SIZE_MISMATCH`, `BUSY`, `ABORTED`, what the storages throw; MigrationError;
 * InvalidArgumentError
 */
export async function migrateLive(options: LiveMigrationOptions): Promise<LiveMigrationResult> {
  const { source, destination, verify = 'read-back' } = options
  const blockSize = source.blockSize
  const { clock } = checkConfig({ ...options, blockSize })
  const limits = convergenceLimits(options)
  if (!options.lockerHandler && !source.lock) {
    throw new InvalidArgumentError('lockerHandler', 'a function, or a source with a lock', undefined)
  }
  // A failure would unlock it, and then two sides could write.
  if (source.isLocked) throw new StorageError('LOCKED', 'The source is locked, as after a hand-over; unlock it first.')
  const startedAt = clock.now()
  const order = options.order ?? new AnyBlockOrder(Math.ceil(source.size / blockSize))
  const hasher = verify === 'none' ? undefined : await createBlockHasher(options.hash)
  const verifier = hasher ? new Verifier(new HashTree(source.size, blockSize, hasher), destination, clock) : undefined
  const migrator = new Migrator(source, destination, order, {
    ...options,
    blockSize,
    ...(verifier ? { blockHandler: (start, count, bytes) => verifier.stored(start, count, bytes) } : {}),
  })
  const giveBack = migrator.hold()
  try {
    const whole = trackTheRest(source, order)
    const run = new LiveRun(options, { limits, clock, migrator, verifier })
    const pause = await run.move(order, whole)
    const { blocksMoved, bytesMoved, blocksDirtied } = migrator
    announceEnd(migrator)
    return {
      ...pause,
      rounds: run.rounds,
      blocksMoved,
      bytesMoved,
      // A block that is repaired goes the way of a dirty one.
      blocksDirtied: blocksDirtied - run.blocksRepaired,
      blocksRepaired: run.blocksRepaired,
      durationMs: clock.now() - startedAt,
      root: run.root,
    }
  } catch (error) {
    migrator.unlock()
    // Stored is not proven: whoever goes on with the same order sends these again.
    if (verify === 'read-back') verifier?.forEachUnverified((block) => order.add(block))
    throw error
  } finally {
    verifier?.free()
    giveBack()
  }
}

/** Blocks that are not to be sent count as read: a write to one of them from here on makes it dirty. Returns whether there is none. */
function trackTheRest(source: TrackingStorageProvider, order: BlockOrder): boolean {
  if (order.available === 0) order.addAll()
  if (order.available === order.numBlocks) return true
  for (let block = 0; block < order.numBlocks; block++) {
    if (!order.has(block)) source.trackAt(block * source.blockSize, source.blockSize)
  }
  return false
}

/** The disk has been handed over and nothing may undo that: what a progress handler throws now is reported by the host. */
function announceEnd(migrator: Migrator): void {
  try {
    migrator.enter('done')
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

/** What a live migration works with. */
interface LiveRunParts {
  readonly limits: ConvergenceLimits
  readonly clock: Clock
  readonly migrator: Migrator
  readonly verifier: Verifier | undefined
}

/** One live migration on its way. */
class LiveRun {
  rounds = 0
  blocksRepaired = 0
  /** Root over everything sent, when that was the whole disk; known once the last round is over. */
  root: Uint8Array | undefined
  readonly #options: LiveMigrationOptions
  readonly #limits: ConvergenceLimits
  readonly #migrator: Migrator
  readonly #verifier: Verifier | undefined
  readonly #convergence: Convergence
  readonly #clock: Clock
  /** What flushing has cost last: part of every pause. */
  #flushMs = 0
  #blocksVerified = 0
  #verifyMsPerBlock = 0

  constructor(options: LiveMigrationOptions, parts: LiveRunParts) {
    this.#options = options
    this.#limits = parts.limits
    this.#clock = parts.clock
    this.#migrator = parts.migrator
    this.#verifier = parts.verifier
    this.#convergence = new Convergence(parts.limits)
  }

  async move(order: BlockOrder, whole: boolean): Promise<{ pauseMs: number; predictedPauseMs: number }> {
    await this.#migrator.migrate(order.available)
    await this.#settle()
    for (;;) {
      const predictedPauseMs = this.#predict(this.#options.source.dirtyBlocks)
      const step = this.#convergence.next(this.rounds, predictedPauseMs)
      if (step === 'give-up') throw this.#tooBusy(predictedPauseMs)
      if (step === 'round') await this.#round(this.#options.source.sync())
      else {
        const pauseMs = await this.#lastRound(whole)
        if (pauseMs !== undefined) return { pauseMs, predictedPauseMs }
      }
    }
  }

  async #round(dirty: Bitfield): Promise<void> {
    this.rounds++
    const { beforeRound } = this.#options
    const copy = beforeRound && dirty.clone()
    try {
      // First into the order: a destination that hears of them may ask for one at once, and an order that lacks it takes no request.
      this.#migrator.takeDirty(dirty)
      if (copy) await beforeRound(copy)
    } finally {
      copy?.free()
    }
    await this.#migrator.migrate(this.#migrator.pendingBlocks)
    await this.#settle()
  }

  /** With the writer stopped; undefined when it had written too much just before, and goes on. */
  async #lastRound(whole: boolean): Promise<number | undefined> {
    const { source } = this.#options
    const { maxPauseMs, maxRounds } = this.#limits
    const stoppedAt = this.#clock.now()
    await this.#migrator.lock()
    const predictedPauseMs = this.#predict(source.dirtyBlocks)
    if (predictedPauseMs > maxPauseMs) {
      this.#migrator.unlock()
      if (this.rounds >= maxRounds) throw this.#tooBusy(predictedPauseMs)
      await this.#round(source.sync())
      return undefined
    }
    this.#migrator.enter('locked')
    await this.#round(source.sync())
    this.root = whole ? this.#verifier?.root() : undefined
    // The last moment at which an abort leaves everything as it was.
    throwIfAborted(this.#options.signal)
    await this.#options.handOver?.({ root: this.root, missingBlocks: 0 })
    return this.#clock.now() - stoppedAt
  }

  /** Waits until what was sent is stored, flushed and read back; sends again, once, what does not read back as sent. */
  async #settle(): Promise<void> {
    await this.#migrator.waitForCompletion()
    await this.#flush()
    const wrong = await this.#verify()
    if (!wrong) return
    this.blocksRepaired += wrong.count()
    await this.#migrator.migrateDirty(wrong)
    await this.#migrator.waitForCompletion()
    await this.#flush()
    const still = await this.#verify()
    if (!still) return
    const context = { blocks: still.count(), firstBlock: still.nextSet(0) }
    this.#verifier?.distrust(still)
    throw new StorageError('VERIFY_FAILED', undefined, { context })
  }

  async #flush(): Promise<void> {
    const startedAt = this.#clock.now()
    await this.#options.destination.flush()
    this.#flushMs = this.#clock.now() - startedAt
  }

  async #verify(): Promise<Bitfield | undefined> {
    if (!this.#verifier || (this.#options.verify ?? 'read-back') !== 'read-back') return undefined
    const { signal } = this.#options
    // Later rounds are short, and who watches wants to see their number.
    if (this.rounds === 0) this.#migrator.enter('verify')
    const startedAt = this.#clock.now()
    const stored = this.#migrator.blocksMoved - this.#blocksVerified
    const wrong = await this.#verifier.verify(signal ? { signal } : {})
    this.#blocksVerified += stored
    if (stored > 0) this.#verifyMsPerBlock = (this.#clock.now() - startedAt) / stored
    return wrong
  }

  /** How long the writer would wait for this many dirty blocks, at the cost of the latest round. */
  #predict(dirtyBlocks: number): number {
    const msPerBlock = (this.#migrator.msPerBlock ?? 0) + this.#verifyMsPerBlock
    return dirtyBlocks * msPerBlock + this.#flushMs
  }

  #tooBusy(predictedPauseMs: number): StorageError {
    const { maxPauseMs } = this.#limits
    return new StorageError(
      'DID_NOT_CONVERGE',
      `After ${this.rounds} rounds the writer would still have to wait ${Math.round(predictedPauseMs)} ms, ${maxPauseMs} ms are allowed; ` +
        'slow it down or allow a longer pause.',
      { context: { rounds: this.rounds, predictedPauseMs, maxPauseMs } },
    )
  }
}
