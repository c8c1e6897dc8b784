import { throwIfAborted } from '../async/abort.ts'
import type { Bitfield } from '../bitfield/bitfield.ts'
import { checkInteger, InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { combineErrors, errorCode, StorageError } from '../errors/storage-error.ts'
import { type StagingSlot, sharedStagingPool } from '../kernels/staging-pool.ts'
import { addBlocks, type BlockOrder, type BlockType } from '../orders/block-order.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { blockCount } from '../storage/range.ts'
import type { TrackingStorageProvider } from '../storage/tracking-provider.ts'
import { Failures } from './failures.ts'
import { callHandler } from './handler-error.ts'
import { type ActiveRun, InFlight } from './in-flight.ts'
import { type CheckedConfig, checkConfig, type MigratorConfig } from './migrator-config.ts'
import { MoveCounts } from './move-counts.ts'
import { BLOCK_STATE, type BlockStateReader, type MigrationPhase, type MigrationProgress } from './progress.ts'
import { RunCarrier } from './run-carrier.ts'
import { RunMover } from './run-mover.ts'
import { SourceClaim } from './source-claim.ts'
import { Turn } from './turn.ts'
import { WriterGate } from './writer-gate.ts'

/**
 * Moves blocks from a tracked source to a destination while the source is being written, in the order given.
 *
 * A block handed out by the order belongs to the migrator until the destination has stored it. Whatever goes wrong, an error or an abort,
 * puts it back into the order, at the latest when {@link waitForCompletion} rejects; nothing leaves the set silently.
 * A newer copy of a block never overtakes an older one that is still under way.
 */
export class Migrator implements BlockStateReader {
  readonly #source: TrackingStorageProvider
  readonly #order: BlockOrder
  readonly #config: CheckedConfig
  readonly #mover: RunMover
  readonly #inFlight: InFlight
  readonly #failures: Failures
  readonly #counts: MoveCounts
  #phase: MigrationPhase = 'full'
  #round = 0
  readonly #gate: WriterGate
  readonly #claim: SourceClaim
  /** A failure that ends the migration: of the storage as a whole, or of a handler. */
  #fatal: unknown
  readonly #carrier: RunCarrier
  /** Gives back the source once nothing is under way. */
  readonly #whenIdle: (() => void)[] = []
  /** Blocks of a run came back into the order, by the error handler's wish or because a hole was smaller at the next attempt. */
  #returned = false
  #reportedAt = Number.NEGATIVE_INFINITY

  /** @throws InvalidArgumentError, StorageError `SIZE_MISMATCH` */
  constructor(
    source: TrackingStorageProvider,
    destination: StorageProvider,
    order: BlockOrder,
    config: MigratorConfig,
  ) {
    this.#config = checkConfig(config, Math.max(source.preferredBytes ?? 0, destination.preferredBytes ?? 0))
    const { blockSize } = config
    if (source.blockSize !== blockSize) {
      throw new InvalidArgumentError('blockSize', `the source's block size ${source.blockSize}`, blockSize)
    }
    if (source.size !== destination.size) {
      throw new StorageError('SIZE_MISMATCH', undefined, {
        context: { source: source.size, destination: destination.size },
      })
    }
    const blocks = blockCount(source.size, blockSize)
    if (order.numBlocks !== blocks) throw new InvalidArgumentError('order.numBlocks', `${blocks}`, order.numBlocks)
    this.#source = source
    this.#claim = new SourceClaim(source)
    this.#gate = new WriterGate(source, config)
    this.#order = order
    this.#mover = new RunMover(source, destination, { blockSize, fresh: config.freshDestination ?? false })
    this.#inFlight = new InFlight(this.#config, config.signal)
    this.#failures = new Failures(blocks)
    if (order.urgent !== undefined) order.onUrgent = () => this.#inFlight.wake()
    this.#counts = new MoveCounts(this.#config.clock.now())
    this.#carrier = new RunCarrier({
      mover: this.#mover,
      order,
      inFlight: this.#inFlight,
      failures: this.#failures,
      config: this.#config,
      round: () => this.#round,
      stored: (start, count, bytes) => this.#stored(start, count, bytes),
      returned: () => {
        this.#returned = true
      },
    })
  }

  /** Blocks that wait for their turn, those that failed and wait for another chance included. */
  get pendingBlocks(): number {
    return this.#order.available + this.#failures.failedBlocks
  }

  /** Bytes stored at the destination, repetitions and zeroes included. */
  get bytesMoved(): number {
    return this.#counts.bytes
  }

  /** Rounds over dirty blocks that have begun. */
  get round(): number {
    return this.#round
  }

  /** The writer is locked out, or about to be. */
  get isLocked(): boolean {
    return this.#gate.isLocked
  }

  get blocksMoved(): number {
    return this.#counts.blocks
  }

  /** What a block has cost in the latest round that moved one with content; undefined before that. */
  get msPerBlock(): number | undefined {
    return this.#counts.msPerBlock
  }

  /** Blocks taken from the dirty set so far, or dirty now. */
  get blocksDirtied(): number {
    return this.#counts.dirtied + this.#source.dirtyBlocks
  }

  /**
   * Moves up to `count` blocks of the order; blocks that failed before get another chance. Resolves when all are under way: whether they
   * arrived is said by {@link waitForCompletion}.
   * @throws StorageError `BUSY` while another migration moves this source, `ABORTED`, or what ended the migration.
   */
  async migrate(count: number): Promise<void> {
    this.#fatal = undefined
    this.#failures.takeAll((block) => this.#order.add(block))
    await this.more(count)
  }

  /** As {@link migrate}, within the same pass: blocks that failed in it have failed. */
  async more(count: number): Promise<void> {
    await this.#pump(checkInteger('count', count))
  }

  /**
   * Takes over dirty blocks and moves whatever is in the order now, under the rules of the order; as {@link migrate} otherwise.
   * `dirty` is freed.
   */
  async migrateDirty(dirty: Bitfield): Promise<void> {
    this.#fatal = undefined
    this.takeDirty(dirty)
    this.#failures.takeAll((block) => this.#order.add(block))
    await this.#pump(this.#order.available)
  }

  /** Puts dirty blocks into the order, from where they cannot be lost, and frees the field; blocks count as dirty from now on. */
  takeDirty(dirty: Bitfield): void {
    this.#round++
    this.#counts.startRound(this.#config.clock.now())
    this.#phase = this.#gate.isLocked ? 'locked' : 'dirty'
    this.#mover.forgetFresh()
    dirty.forEachRun((start, count) => {
      this.#counts.dirtied += count
      addBlocks(this.#order, start, count)
    })
    dirty.free()
  }

  /**
   * Resolves when every block handed out has been stored at the destination.
   * @throws MigrationError when blocks failed; `ABORTED`; or what ended the migration.
   */
  async waitForCompletion(): Promise<void> {
    for (;;) {
      while (!this.#inFlight.isEmpty) await this.#inFlight.change()
      this.#throwIfEnded()
      if (!this.#returned) break
      this.#returned = false
      await this.#pump(this.#order.available)
    }
    const failed = this.#failures.error()
    if (failed) this.#end(failed)
    this.#throwIfEnded()
    this.#report(true)
  }

  /**
   * Locks the writer out and takes the dirty set. With dirty blocks: unlocks and returns them, owned by the caller. Without: returns undefined
   * and leaves the source locked, source and destination being equal once {@link waitForCompletion} resolves; {@link unlock} undoes that.
   */
  async getLatestDirty(): Promise<Bitfield | undefined> {
    await this.lock()
    let isLast = false
    try {
      const dirty = this.#source.sync()
      isLast = dirty.isEmpty()
      if (!isLast) return dirty
      dirty.free()
      return undefined
    } finally {
      if (!isLast) this.unlock()
    }
  }

  /** Locks the writer out; resolves when none of its writes is in flight. @throws StorageError `ABORTED`, with the writer going on */
  lock(): Promise<void> {
    return this.#gate.lock()
  }

  /** Lets the writer go on; no effect when it is not locked out. */
  unlock(): void {
    this.#gate.unlock()
  }

  /** Keeps other migrations off the source until the returned function is called. @throws StorageError `BUSY` */
  hold(): () => void {
    return this.#claim.hold()
  }

  /** Says what comes now, for whoever watches. */
  enter(phase: MigrationPhase): void {
    this.#phase = phase
    this.#report(true)
  }

  blockStates(target: Uint8Array): void {
    const length = Math.min(target.length, this.#order.numBlocks)
    const waiting = this.#round === 0 ? BLOCK_STATE.notYet : BLOCK_STATE.dirty
    for (let block = 0; block < length; block++) {
      if (this.#order.has(block)) target[block] = waiting
      else target[block] = this.#source.isDirty(block) ? BLOCK_STATE.dirty : BLOCK_STATE.moved
    }
    for (const run of this.#inFlight.runs) target.fill(BLOCK_STATE.moving, run.start, run.start + run.count)
  }

  /** How it goes, as of now. */
  progress(): MigrationProgress {
    const { clock, blockSize } = this.#config
    const totalBlocks = this.#order.numBlocks
    const pendingBlocks = this.pendingBlocks
    const activeBlocks = this.#inFlight.blocks
    const { dirtyBlocks } = this.#source
    this.#counts.sample(clock.now(), dirtyBlocks)
    const { bytesPerSecond, dirtyPerSecond, msPerBlock } = this.#counts
    return {
      phase: this.#phase,
      round: this.#round,
      totalBlocks,
      movedBlocks: Math.max(0, totalBlocks - pendingBlocks - activeBlocks),
      pendingBlocks,
      activeBlocks,
      dirtyBlocks,
      bytesMoved: this.#counts.bytes,
      bytesPerSecond,
      dirtyBytesPerSecond: dirtyPerSecond * blockSize,
      timeLeftMs:
        bytesPerSecond > 0 ? (((pendingBlocks + activeBlocks) * blockSize) / bytesPerSecond) * 1000 : undefined,
      predictedPauseMs: msPerBlock === undefined ? undefined : dirtyBlocks * msPerBlock,
      predictedDurationMs: undefined,
    }
  }

  async #pump(budget: number): Promise<void> {
    const giveBack = this.hold()
    try {
      if (this.#mover.synchronous) await this.#pumpSync(budget)
      else await this.#pumpAsync(budget)
    } catch (error) {
      this.#end(error)
    }
    // What is under way must have ended before the caller hears of the end, or it could still write.
    while (this.#ended && !this.#inFlight.isEmpty) await this.#inFlight.change()
    if (this.#inFlight.isEmpty) giveBack()
    else this.#whenIdle.push(giveBack)
    this.#throwIfEnded()
  }

  /** A slot is free before the choice is made, so that an urgent block never stands behind one chosen earlier. */
  async #pumpAsync(budget: number): Promise<void> {
    const bulk: BlockType = this.#round === 0 ? 'standard' : 'dirty'
    const turn = new Turn(this.#config.clock)
    let left = budget
    while (left > 0 && !this.#ended) {
      // Storages in memory answer without ever letting a timer or a message in between.
      if (turn.isOver) await turn.pass()
      const urgent = this.#order.urgent !== undefined && this.#order.urgent > 0
      if (!this.#inFlight.hasRoom(bulk) && !(urgent && this.#inFlight.hasRoom('priority'))) {
        await this.#inFlight.change()
        continue
      }
      const run = this.#order.next(Math.min(this.#config.runBlocks, left))
      if (!run) break
      left -= run.count
      // Each kind may use the room of the other where its own is taken: requests can be many, or void by now.
      const kind = run.type === 'priority' && this.#inFlight.hasRoom('priority') ? 'priority' : bulk
      const active = this.#inFlight.begin(run.start, run.count, this.#inFlight.hasRoom(kind) ? kind : 'priority')
      void this.#carry(active, (taken) => {
        left -= taken
      })
    }
  }

  /** Both ends answer without waiting: a plain loop through one slot, which lets other tasks run every few milliseconds. */
  async #pumpSync(budget: number): Promise<void> {
    const { runBlocks, blockSize } = this.#config
    const turn = new Turn(this.#config.clock)
    const bulk: BlockType = this.#round === 0 ? 'standard' : 'dirty'
    const acquire = () => sharedStagingPool().acquire(runBlocks * blockSize, this.#config.signal)
    let slot = await acquire()
    try {
      for (let left = budget; left > 0 && !this.#ended; ) {
        const run = this.#order.next(Math.min(runBlocks, left))
        if (!run) break
        const { start, count } = run
        left -= count
        if (!this.#moveSync(start, count, slot)) {
          // The attempts take a slot of their own: who held one and waited for another could wait for somebody who does the same.
          slot.release()
          await this.#carry(this.#inFlight.begin(start, count, bulk))
          slot = await acquire()
        }
        if (!turn.isOver) continue
        this.#report(false)
        await turn.pass()
      }
    } finally {
      slot.release()
    }
  }

  /** False when the run did not go at once: an older copy is under way, or a fault that another attempt may mend. */
  #moveSync(start: number, count: number, slot: StagingSlot): boolean {
    if (!this.#inFlight.isEmpty) return false
    let bytes: Uint8Array | undefined
    try {
      bytes = this.#mover.moveSync(start, count, slot)
    } catch {
      // The error is not lost: the attempts that follow meet it again, or the fault has passed.
      return false
    }
    this.#failures.stored(start, count)
    try {
      this.#stored(start, count, bytes)
    } catch (error) {
      // The caller's handler failed: what it did not hear of is not done.
      for (let block = start; block < start + count; block++) this.#order.add(block)
      throw error
    }
    return true
  }

  async #carry(run: ActiveRun, tookMore?: (blocks: number) => void): Promise<void> {
    const fatal = await this.#carrier.carry(run, tookMore)
    if (fatal !== undefined) this.#end(fatal)
    this.#inFlight.end(run)
    if (!this.#inFlight.isEmpty) return
    for (const giveBack of this.#whenIdle.splice(0)) giveBack()
  }

  #stored(start: number, count: number, bytes: Uint8Array | undefined): void {
    const { blockSize, clock, blockHandler } = this.#config
    if (blockHandler) callHandler(() => blockHandler(start, count, bytes))
    const length = bytes?.length ?? Math.min(count * blockSize, this.#source.size - start * blockSize)
    this.#counts.stored(clock.now(), { blocks: count, bytes: length, zero: bytes === undefined })
    this.#report(false)
  }

  get #ended(): boolean {
    return this.#fatal !== undefined || (this.#config.signal?.aborted ?? false)
  }

  #end(error: unknown): void {
    // After an abort every run under way says so; once is enough.
    if (errorCode(error) === 'ABORTED' && this.#config.signal?.aborted) return
    if (errorCode(error) !== undefined && errorCode(error) === errorCode(this.#fatal)) return
    this.#fatal = combineErrors(this.#fatal, error)
  }

  /** Blocks that failed go back into the order, for whoever goes on with it: another migrator knows nothing of our failures. */
  #throwIfEnded(): void {
    if (!this.#ended) return
    this.#failures.takeAll((block) => this.#order.add(block))
    throwIfAborted(this.#config.signal)
    throw this.#fatal
  }

  #report(always: boolean): void {
    const { progressHandler, progressIntervalMs, clock } = this.#config
    if (!progressHandler) return
    const now = clock.now()
    if (!always && now - this.#reportedAt < progressIntervalMs) return
    this.#reportedAt = now
    callHandler(() => progressHandler(this.progress(), this))
  }
}
