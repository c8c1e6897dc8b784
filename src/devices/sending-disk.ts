import { errorCode, StorageError } from '../errors/storage-error.ts'
import { PAUSE_MS } from '../migration/limits.ts'
import { type LiveMigrationResult, migrateLive } from '../migration/migrate-live.ts'
import { moveRest } from '../migration/move-rest.ts'
import { AnyBlockOrder } from '../orders/any-block-order.ts'
import { PRIORITY_REQUESTS } from '../orders/limits.ts'
import { PriorityBlockOrder } from '../orders/priority-block-order.ts'
import { FEATURE } from '../protocol/connection.ts'
import { createNonce } from '../protocol/secret-proof.ts'
import { ToProtocol } from '../protocol/to-protocol.ts'
import { BlockDigests } from '../storage/block-digests.ts'
import { type BlockHasher, createBlockHasher } from '../storage/block-hasher.ts'
import { readFully } from '../storage/sequential-reader.ts'
import type { TrackingStorageProvider } from '../storage/tracking-provider.ts'
import { Checkpoints } from './checkpoints.ts'
import { compareClaims } from './compare-claims.ts'
import { type DiskJournal, finishSettling, MemoryJournal } from './disk-journal.ts'
import { HandOver, type HandOverStart } from './hand-over.ts'
import { OrderedDestination } from './ordered-destination.ts'
import { PatchingDestination } from './patching-destination.ts'
import { readPages } from './read-pages.ts'
import type { SendDiskOptions, SentDisk } from './send-options.ts'
import { SendingFace } from './sending-face.ts'

/** Over which connection, and how. */
export interface SendingOptions extends Omit<SendDiskOptions, 'source' | 'journal' | 'randomId'> {
  /** Moves the disk; for who moves several together. Default: `migrateLive`. */
  migrate?: typeof migrateLive
}

/** Which disk is to be sent. */
export interface OpenSendingOptions {
  source: TrackingStorageProvider
  /** Default: what is known is kept in memory. */
  journal?: DiskJournal
  /** Sixteen fresh random bytes. Default: the platform's. */
  randomId?: () => Uint8Array
  /** The number of the disk on its connections. Default: 1. */
  dev?: number
}

/** A disk on its way elsewhere in dialect `blockferry/1`, over one connection after another. */
export class SendingDisk {
  readonly #source: TrackingStorageProvider
  readonly #journal: DiskJournal
  readonly #hasher: BlockHasher
  readonly #randomId: () => Uint8Array
  readonly #dev: number
  #order: PriorityBlockOrder | undefined
  #isInDoubt = false
  /** Blocks that were asked for before it was known what is to be sent. */
  #asked: Set<number> | undefined

  private constructor(parts: Required<OpenSendingOptions>, hasher: BlockHasher) {
    this.#source = parts.source
    this.#journal = parts.journal
    this.#hasher = hasher
    this.#randomId = parts.randomId
    this.#dev = parts.dev
  }

  /**
   * Without a journal what is known is kept in memory. A disk that was given away already is locked at once.
   * @throws StorageError `NOT_OWNER` for a disk that this side does not own
   */
  static async open(options: OpenSendingOptions): Promise<SendingDisk> {
    const { source, randomId = createNonce, dev = 1 } = options
    const hasher = await createBlockHasher()
    const journal = options.journal ?? new MemoryJournal(new BlockDigests(source.size, source.blockSize, hasher))
    const state = journal.ownership?.state ?? 'owner'
    if (state === 'receiving' || state === 'prepared') {
      throw new StorageError('NOT_OWNER', 'The disk is still on its way here.', { context: { state } })
    }
    if (state !== 'owner') await source.lock?.()
    await finishSettling(journal)
    return new SendingDisk({ source, journal, randomId, dev }, hasher)
  }

  /** Whether the disk was given away: it is never written here again. */
  get isReleased(): boolean {
    const state = this.#journal.ownership?.state
    return state === 'released' || state === 'gone'
  }

  /** Whether the destination needs this side no more. */
  get isAcknowledged(): boolean {
    return this.#journal.ownership?.state === 'gone'
  }

  /**
   * Whether it could not be stored that the disk was given away, nor that it was not: nobody writes it until either can be. The next {@link send}
   * tries before it says anything.
   */
  get isInDoubt(): boolean {
    return this.#isInDoubt
  }

  /**
   * Sends the disk over this connection, or what is left to be sent or said.
   * @throws as `sendDisk`
   */
  async send(options: SendingOptions): Promise<SentDisk> {
    const { connection } = options
    await this.#decide(options)
    const { size, blockSize } = this.#source
    // A peer that goes away ends the migration at once, also while nothing is being sent.
    const ended = new AbortController()
    void connection.rw.ended.then((reason) => ended.abort(reason ?? new StorageError('PEER_LOST')))
    const signal = options.signal ? AbortSignal.any([options.signal, ended.signal]) : ended.signal
    const handOver = new HandOver({
      connection,
      dev: this.#dev,
      journal: this.#journal,
      size,
      blockSize,
      randomId: this.#randomId,
      flush: () => this.#source.flush(),
      maxPauseMs: options.maxPauseMs ?? PAUSE_MS,
      mayBeIncomplete: (options.strategy ?? 'pre-copy') !== 'pre-copy',
      signal,
    })
    try {
      const order = this.#orderOf(options)
      this.#asked = new Set()
      const device = this.#device({ ...options, signal }, order)
      await device.announce()
      const to = new OrderedDestination(device, connection.laneCount)
      const start = await handOver.begin()
      return await this.#goOn({ start, handOver, to, order, options: { ...options, signal } })
    } catch (error) {
      if (errorCode(error) === 'ABORTED' && ended.signal.aborted && !options.signal?.aborted) throw ended.signal.reason
      throw error
    } finally {
      this.#isInDoubt = handOver.doubt !== undefined
    }
  }

  /**
   * The place may say `released`, and after a crash it would be believed: as long as it may, the promise of the destination must not be taken back,
   * or nobody would own the disk.
   */
  async #decide({ unlockerHandler }: SendingOptions): Promise<void> {
    if (!this.#isInDoubt) return
    try {
      await this.#journal.become(this.#journal.ownership!)
    } catch (cause) {
      throw new StorageError('IN_DOUBT', 'It still cannot be stored whether the disk was given away.', { cause })
    }
    this.#isInDoubt = false
    if (unlockerHandler) unlockerHandler()
    else this.#source.unlock?.()
  }

  async #goOn(run: SendingRun): Promise<SentDisk> {
    const { start, handOver } = run
    switch (start.verdict) {
      case 'conflict':
        await this.#source.lock?.()
        throw new StorageError('IN_DOUBT', 'Both sides hold the disk for their own, or neither does.')
      case 'send-commit':
        await handOver.commit()
        if (start.isIncomplete) return this.#sendRest(run)
        await handOver.acknowledged()
        return this.#nothingSent(handOver)
      case 'destination-owns':
        if (start.isIncomplete) return this.#sendRest(run)
        await handOver.acknowledged()
        return this.#nothingSent(handOver)
      case 'source-owns':
        return this.#move(run)
    }
  }

  /** Moves the disk while it is written. */
  async #move(run: SendingRun): Promise<SentDisk> {
    const { start, handOver, to, order, options } = run
    const { digests } = this.#journal
    if (start.isPrepared) await handOver.withdraw()
    const claims = start.hasClaims ? await this.#compare(run, { isOwner: false }) : this.#beginAnew(order)
    this.#hear(order)
    const patching = this.#patching(run)
    const face = new SendingFace(
      { to, requests: handOver.requests, digests, claims, checkpoints: new Checkpoints(this.#journal), patching },
      this.#source.blockSize,
    )
    let root: Uint8Array | undefined
    try {
      const live = await (options.migrate ?? migrateLive)({
        ...options,
        source: this.#source,
        destination: face,
        order,
        verify: 'none',
        handOverFlushes: true,
        // To compare, all of it was.
        isTracked: start.hasClaims,
        beforeRound: (dirty) => {
          // At once: from here on nothing may be claimed by what was sent before.
          dirty.forEachRun((first, count) => digests.forget(first, count))
          return to.dirtyList(dirty)
        },
        handOver: async ({ missingBlocks }) => {
          // What is known here the destination may lack all the same: it is shown once it has everything.
          root = missingBlocks > 0 ? undefined : digests.root()
          // A new owner keeps what it has and asks for the rest: nothing is compared any more.
          if (missingBlocks > 0) {
            claims?.forget(0, claims.blockCount)
            patching?.end()
            // What is still to come must be as it is now, also when the power fails here.
            await this.#source.flush()
          }
          return handOver.run({ root, missingBlocks }, () => options.handOver?.({ root, missingBlocks }))
        },
      })
      return await this.#finished(live, run, root)
    } catch (error) {
      throw handOver.doubt ?? error
    } finally {
      claims?.free()
    }
  }

  /** Over one connection, since over the next one the destination may be another, or have lost what it had not flushed. */
  #patching({ to, options }: SendingRun): PatchingDestination | undefined {
    const { blockSize } = this.#source
    const needed = FEATURE.patch | FEATURE.check
    if ((options.connection.shared & needed) !== needed || !PatchingDestination.takes(blockSize)) return undefined
    return new PatchingDestination({
      to,
      hasher: this.#hasher,
      blockSize,
      isWritten: () => this.#source.dirtyBlocks > 0,
    })
  }

  /** The disk was handed over; what was missing then has moved since. */
  async #finished(
    live: LiveMigrationResult,
    { handOver }: SendingRun,
    root: Uint8Array | undefined,
  ): Promise<SentDisk> {
    if (handOver.doubt !== undefined) throw handOver.doubt
    if (live.missingBlocks === 0) {
      if (handOver.isCommitted) await handOver.acknowledged()
      return { ...live, root, ...handOver.outcome }
    }
    const whole = await this.#wholeRoot()
    await handOver.complete(whole)
    return { ...live, root: whole, ...handOver.outcome }
  }

  /** The root as of the hand-over, blocks included that were not sent since the destination has written them. */
  async #wholeRoot(): Promise<Uint8Array | undefined> {
    const { digests } = this.#journal
    const { size, blockSize } = this.#source
    const bytes = new Uint8Array(blockSize)
    for (
      let block = digests.known.nextClear(0);
      block < digests.blockCount;
      block = digests.known.nextClear(block + 1)
    ) {
      const length = Math.min(blockSize, size - block * blockSize)
      await readFully(this.#source, bytes.subarray(0, length), block * blockSize)
      digests.note(block, bytes.subarray(0, length))
    }
    return digests.root()
  }

  /** The destination owns the disk and lacks blocks: it gets them from a source that is not written any more. */
  async #sendRest(run: SendingRun): Promise<SentDisk> {
    const { handOver, to, order, options } = run
    const { digests } = this.#journal
    await this.#compare(run, { isOwner: true })
    this.#hear(order)
    const face = new SendingFace(
      { to, requests: handOver.requests, digests, claims: undefined, checkpoints: new Checkpoints(this.#journal) },
      this.#source.blockSize,
    )
    const { signal, clock } = options
    if (order.available > 0) {
      const how = { ...(signal ? { signal } : {}), ...(clock ? { clock } : {}) }
      await moveRest({ source: this.#source, destination: face, order, ...how })
    }
    const root = await this.#wholeRoot()
    await handOver.complete(root)
    return { ...this.#nothingSent(handOver), root }
  }

  /** The destination has nothing, whatever an attempt before has left in the order: that went elsewhere. */
  #beginAnew(order: PriorityBlockOrder): undefined {
    const { digests } = this.#journal
    digests.forget(0, digests.blockCount)
    order.addAll()
  }

  /** The order is filled; only what is in it can go before its turn. */
  #hear(order: PriorityBlockOrder): void {
    for (const block of this.#asked ?? []) order.prioritise(block)
    this.#asked = undefined
  }

  /** Puts into the order what the destination lacks, and nothing else. */
  async #compare(run: SendingRun, { isOwner }: { isOwner: boolean }): Promise<BlockDigests | undefined> {
    const { size, blockSize } = this.#source
    const { order } = run
    const { digests } = this.#journal
    // Before anything is compared: what is written from here on is dirty.
    this.#source.trackAt(0, size)
    // What waits to be sent is not what was sent; it is in the order again where the destination lacks it.
    for (let run = order.next(order.numBlocks); run; run = order.next(order.numBlocks)) {
      digests.forget(run.start, run.count)
    }
    const { toSend, claims } = await compareClaims({
      requests: run.handOver.requests,
      digests,
      size,
      blockSize,
      hasher: this.#hasher,
      isOwner,
    })
    try {
      toSend.forEachRun((first, count) => order.addRun(first, count))
      // An empty order would be filled with all blocks.
      if (order.available === 0 && !isOwner) order.add(0)
    } finally {
      toSend.free()
    }
    return claims
  }

  #orderOf(options: Pick<SendDiskOptions, 'order'>): PriorityBlockOrder {
    const numBlocks = Math.ceil(this.#source.size / this.#source.blockSize)
    this.#order ??= new PriorityBlockOrder(options.order ?? new AnyBlockOrder(numBlocks))
    return this.#order
  }

  #device({ connection, name, signal }: SendingOptions, order: PriorityBlockOrder): ToProtocol {
    const { rw, shared } = connection
    const { size, blockSize } = this.#source
    const forEachBlock = (offset: number, length: number, visit: (block: number) => void) => {
      const end = Math.min(order.numBlocks, Math.ceil((offset + length) / blockSize))
      for (let block = Math.floor(offset / blockSize); block < end; block++) visit(block)
    }
    return new ToProtocol(rw, {
      dev: this.#dev,
      size,
      blockSize,
      name,
      checks: (shared & FEATURE.check) !== 0,
      ...(signal ? { signal } : {}),
      needAt: (offset, length) =>
        forEachBlock(offset, length, (block) => {
          if (!this.#asked) order.prioritise(block)
          else if (this.#asked.size < PRIORITY_REQUESTS) this.#asked.add(block)
        }),
      // Before the hand-over the disk is written here, and nowhere else.
      dontNeedAt: (offset, length) => {
        if (this.isReleased) forEachBlock(offset, length, (block) => order.remove(block))
      },
      reader: this.#source,
      digests: (level, first, count) => readPages(this.#journal.digests, { level, first, count }),
    })
  }

  /** The disk had been moved before; only the last word was missing, or blocks of it. */
  #nothingSent(handOver: HandOver): SentDisk {
    const zero = { rounds: 0, blocksMoved: 0, bytesMoved: 0, blocksDirtied: 0, blocksRepaired: 0 }
    const { root } = this.#journal.ownership!
    return {
      ...zero,
      pauseMs: 0,
      predictedPauseMs: 0,
      durationMs: 0,
      missingBlocks: 0,
      root: root === undefined ? undefined : this.#journal.digests.root(),
      ...handOver.outcome,
    }
  }
}

interface SendingRun {
  readonly start: HandOverStart
  readonly handOver: HandOver
  readonly to: OrderedDestination
  readonly order: PriorityBlockOrder
  readonly options: SendingOptions
}
