import { Bitfield } from '../bitfield/bitfield.ts'
import { StorageError } from '../errors/storage-error.ts'
import { complete, type Ownership, settle, takeOver } from '../migration/journal/ownership.ts'
import { Lockable } from '../modules/lockable.ts'
import { createWaitingCache, type WaitingCache } from '../modules/waiting-cache.ts'
import type { ArrivingDevice } from '../protocol/arriving-device.ts'
import type { Connection } from '../protocol/connection.ts'
import { FromProtocol } from '../protocol/from-protocol.ts'
import { askDigests } from '../protocol/hand-over-requests.ts'
import type { DevInfo } from '../protocol/packets/dev-info.ts'
import { digestText } from '../storage/hash-tree.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { ArrivingFace } from './arriving-face.ts'
import { ArrivingSession, type SessionDisk } from './arriving-session.ts'
import { type DiskJournal, finishSettling } from './disk-journal.ts'
import { hashBlocks } from './hash-blocks.ts'
import { checkOffer, type OfferedDisk } from './offered-disk.ts'
import { Outcome } from './outcome.ts'
import { OwnedFace } from './owned-face.ts'
import { settleRest } from './settle-rest.ts'

/** Where an arriving disk goes, and what is remembered of it. */
export interface ArrivingDiskOptions {
  /** Makes the place for it, or opens the one it was coming to; refuses with a StorageError, which the peer is told. */
  readonly create: (offer: OfferedDisk) => Promise<StorageProvider> | StorageProvider
  /** Opens what is remembered of the disk in that place. */
  readonly openJournal: (offer: OfferedDisk) => Promise<DiskJournal> | DiskJournal
  /**
   * How long calls that lack a block wait for a new connection after one was lost, in milliseconds. Default: 0, they fail at once.
   */
  readonly reconnectMs?: number
  /** The place holds an older copy of the disk: what it holds is hashed, and kept where it is right. Default: only what the journal knows is. */
  readonly olderCopy?: boolean
  /** Hears how many blocks have been hashed, of how many, before the first is taken. */
  readonly onHashing?: (done: number, total: number) => void
  /** The number of the disk on its connections. Default: 1. */
  readonly dev?: number
  /** Calls `open` when the application may write to a disk that has become this side's. Default: at once. */
  readonly opens?: (open: () => void) => void
}

/**
 * A disk on its way here, over one connection after another.
 *
 * Exactly one side may write it: until the source has committed, writes of the application wait, and blocks are taken; from then on
 * writes go, and of the source's blocks only those that are missing.
 */
export class ArrivingDisk implements SessionDisk {
  readonly #options: ArrivingDiskOptions
  readonly #dev: number
  readonly #owned = new Outcome<Uint8Array | undefined>()
  readonly #whole = new Outcome<void>()
  #info: OfferedDisk | undefined
  #journal: DiskJournal | undefined
  #cache: WaitingCache | undefined
  #ownedFace: OwnedFace | undefined
  #gate: Lockable | undefined
  #placing: Promise<void> | undefined
  #connection: Connection | undefined
  #face: ArrivingFace | undefined
  #turn: Promise<unknown> = Promise.resolve()
  readonly #over = new AbortController()
  #isOwner = false
  /** The application may write, or might if nobody had stopped it. */
  #isOpen = false
  #isStopped = false
  /** The disk was handed over in an earlier life, before everything was here. */
  #wasIncomplete = false

  constructor(options: ArrivingDiskOptions) {
    this.#options = options
    this.#dev = options.dev ?? 1
  }

  get name(): string {
    return this.info.name
  }

  get size(): number {
    return this.info.size
  }

  get blockSize(): number {
    return this.info.blockSize
  }

  /** Whether it has been announced and there is a place for it. */
  get isPlaced(): boolean {
    return this.#gate !== undefined
  }

  get disk(): Lockable {
    return this.#gate!
  }

  get cache(): WaitingCache {
    return this.#cache!
  }

  get journal(): DiskJournal {
    return this.#journal!
  }

  get info(): OfferedDisk {
    return this.#info!
  }

  get isOwner(): boolean {
    return this.#isOwner
  }

  /** Whether it is this side's and needs its source no more, which is recorded. */
  get isWhole(): boolean {
    const ownership = this.#journal?.ownership
    return ownership?.state === 'owner' && !ownership.missing
  }

  get handedOver(): Promise<Uint8Array | undefined> {
    return this.#owned.promise
  }

  get whole(): Promise<void> {
    return this.#whole.promise
  }

  /**
   * Takes the disk over this connection, the first one or another after a loss; a connection that is still there is replaced. Resolves when
   * the peer has announced the disk.
   * @throws StorageError what `create` refuses with, `SIZE_MISMATCH` for another disk than before, `PEER_LOST`, `MALFORMED`
   */
  async attach(connection: Connection): Promise<void> {
    const { rw } = connection
    const before = this.#connection
    this.#connection = connection
    before?.rw.fail(new StorageError('PEER_LOST', 'Another connection has taken the place of this one.'))
    const from: FromProtocol = new FromProtocol(rw, this.#dev, (info) => this.#device(connection, info, from))
    void rw.ended.then((reason) => this.#lost(connection, reason))
    await from.announced
  }

  /**
   * Opens the place without a peer, after this process has been started anew. A disk that was handed over before can be used at once; blocks that are
   * missing come once a connection is attached.
   */
  async open(offer: OfferedDisk): Promise<void> {
    this.#placing ??= this.#place(offer).catch((error: unknown) => {
      // Another attempt may find the storage well again.
      this.#placing = undefined
      throw error
    })
    await this.#placing
  }

  /**
   * Makes the disk this side's, or whole, without the last word of a source that is gone for good, and records that it was so. Only where everything is
   * here. Should the source live and own the disk, both stop writing when they meet.
   * @throws StorageError `VERIFY_FAILED` while blocks are missing, `NOT_OWNER` for a disk that is whole and this side's, or was given on
   */
  takeOver(): Promise<void> {
    return this.inTurn(async () => {
      const { missingBlocks } = this.cache
      if (missingBlocks > 0) throw new StorageError('VERIFY_FAILED', `${missingBlocks} blocks are still missing here.`)
      const { ownership } = this.journal
      if (!ownership) throw new StorageError('NOT_OWNER', 'Nothing has begun to arrive here.')
      const next = takeOver(ownership)
      await this.#face?.end()
      this.#connection?.rw.fail(new StorageError('IN_DOUBT', 'The disk was taken over without its source.'))
      await this.#becomeWhole(next)
    })
  }

  /** Somebody else owns the disk too: nobody writes until it is decided whose it is. */
  stop(): void {
    this.#isStopped = true
    void this.disk.lock()
  }

  /** No connection will come any more: calls that lack a block fail now instead of after `reconnectMs`. */
  end(): void {
    this.#over.abort()
  }

  /** Does what is asked one at a time. */
  inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {}) // Whoever asked hears of it.
    return done
  }

  /** What is here counts as missing until the source has said that it is right. */
  voidAll(): void {
    const all = new Bitfield(this.cache.numBlocks)
    try {
      all.setRange(0, all.length)
      this.cache.remote.invalidate(all)
    } finally {
      all.free()
    }
  }

  /** The disk is this side's. */
  own(): void {
    if (this.#isOwner) return
    this.#isOwner = true
    const { root, missing } = this.journal.ownership!
    if (!missing) this.finish()
    const agreed = root === undefined ? undefined : this.journal.digests.root()
    const { opens = (open: () => void) => open() } = this.#options
    opens(() => {
      this.#isOpen = true
      if (!this.#isStopped) this.disk.unlock()
      this.#owned.resolve(agreed)
    })
  }

  /** Nothing is missing any more; nobody is asked from here on. */
  finish(): void {
    this.cache.resume({})
    this.#whole.resolve()
  }

  /** All blocks are here: looks whether they are right, and records it. @throws StorageError `VERIFY_FAILED` */
  async complete(root: Uint8Array | undefined, { rw }: Connection): Promise<void> {
    const { journal } = this
    const { digests } = journal
    if (root)
      await settleRest(digests, root, (first, count) => askDigests(rw, this.#dev, { level: 'leaves', first, count }))
    await this.#becomeWhole(complete(journal.ownership!, root ? { root: digestText(root) } : {}))
  }

  async #becomeWhole(next: Ownership): Promise<void> {
    await this.cache.remote.flush()
    // First: as long as blocks count as missing, one that is forgotten would be fetched again, over what was written.
    await this.journal.become(next)
    try {
      if (next.settling) await this.#settle()
    } finally {
      // Also when what is known could not be put right, which the record says.
      this.own()
      this.finish()
    }
  }

  /** Makes what is known that of what is stored. */
  async #settle(): Promise<void> {
    const { journal, cache } = this
    await this.#ownedFace!.earlyWrites()
    const written = cache.ownBlocks()
    try {
      this.#ownedFace!.addTorn(written)
      // What was written in an earlier life is not known any more.
      if (this.#wasIncomplete) written.setRange(0, written.length)
      await journal.forgetBlocks(written)
    } finally {
      written.free()
    }
    await journal.become(settle(journal.ownership!))
  }

  async #device(connection: Connection, info: DevInfo, from: FromProtocol): Promise<ArrivingDevice> {
    await this.open(info)
    const { size, blockSize } = this.info
    if (info.size !== size || info.blockSize !== blockSize) {
      throw new StorageError('SIZE_MISMATCH', 'The peer offers another disk than before.')
    }
    await this.#face?.end()
    if (this.#connection !== connection) {
      const reason = await connection.rw.ended
      throw reason ?? new StorageError('PEER_LOST', 'The connection ended before there was a place.')
    }
    const face = new ArrivingFace(this.cache, this.journal)
    this.#face = face
    this.#owned.renew()
    this.#whole.renew()
    if (!this.#isOwner || this.cache.missingBlocks > 0) {
      this.cache.resume({
        needAt: (offset, length) => from.needAt(offset, length),
        dontNeedAt: (offset, length) => from.dontNeedAt(offset, length),
      })
    }
    return {
      provider: face,
      writeChecked: (data, offset, tags) => face.writeChecked(data, offset, tags),
      writePatched: (blocks) => face.writePatched(blocks),
      invalidate: (blocks) => face.invalidate(blocks),
      available: () => {
        throw new StorageError('NOT_SUPPORTED', 'What is here already is kept only where it is claimed.')
      },
      event: ({ type }) => {
        if (type === 'completed') throw new StorageError('MALFORMED', 'A disk is handed over in two phases.')
      },
      handOver: new ArrivingSession(this, connection, face),
    }
  }

  async #place(info: OfferedDisk): Promise<void> {
    checkOffer(info)
    const { name, size, blockSize } = info
    const storage = await this.#options.create({ name, size, blockSize })
    try {
      if (storage.size !== size) {
        throw new StorageError('SIZE_MISMATCH', undefined, { context: { announced: size, size: storage.size } })
      }
      this.#journal = await this.#options.openJournal({ name, size, blockSize })
      await finishSettling(this.#journal)
      await this.#learn(storage, this.#journal)
    } catch (error) {
      await storage.close().catch(() => {}) // What went wrong first is what to tell.
      throw error
    }
    const cache = createWaitingCache(storage, blockSize)
    const { ownership } = this.#journal
    // What was agreed at the hand-over is here and right; of one before everything was here, what is known.
    if (ownership && (ownership.state === 'owner' || ownership.state === 'prepared'))
      markPresent(cache, ownership.missing ? this.#journal.digests.known : undefined)
    // Exactly one side may write, and until the hand-over that is the source.
    this.#ownedFace = new OwnedFace(cache, this.#journal)
    const gate = new Lockable(this.#ownedFace)
    await gate.lock()
    this.#info = info
    this.#cache = cache
    this.#gate = gate
    this.#wasIncomplete = ownership?.state === 'owner' && ownership.missing === true
    if (ownership?.state === 'owner') this.own()
  }

  /** What may be right is read, so that it need not be sent. */
  async #learn(storage: StorageProvider, journal: DiskJournal): Promise<void> {
    const { olderCopy = false, onHashing } = this.#options
    const { ownership, digests, unproven } = journal
    if (ownership && ownership.state !== 'receiving' && ownership.state !== 'gone') return
    const blocks = unproven.clone()
    try {
      if (olderCopy) blocks.setRange(0, blocks.length)
      blocks.andNot(digests.known)
      await hashBlocks(storage, digests, { blocks, ...(onHashing ? { onHashing } : {}) })
    } finally {
      blocks.free()
    }
  }

  get #isDone(): boolean {
    return this.#isOpen && this.isWhole
  }

  #lost(connection: Connection, reason: unknown): void {
    if (connection !== this.#connection) return
    this.#connection = undefined
    void this.#face?.end()
    void this.#wait(connection, reason)
  }

  /** Whoever lacks a block waits for another connection, but not for ever. */
  async #wait({ rw }: Connection, reason: unknown): Promise<void> {
    const { reconnectMs = 0 } = this.#options
    if (this.#isDone) return
    if (reconnectMs > 0) await rw.clock.sleep(reconnectMs, this.#over.signal).catch(() => {}) // Nobody will come any more.
    if (this.#connection) return
    await this.inTurn(async () => {
      if (this.#connection || this.#isDone) return
      const isPrepared = this.#journal?.ownership?.state === 'prepared'
      const error = isPrepared
        ? new StorageError('IN_DOUBT', 'The peer was lost when the disk was about to be handed over.', {
            cause: reason,
          })
        : (reason ?? new StorageError('PEER_LOST', 'The peer closed the connection before everything was here.'))
      this.#cache?.fail(error)
      this.#owned.reject(error)
      this.#whole.reject(error)
    })
  }
}

/** These blocks are here, or all of them. */
function markPresent(cache: WaitingCache, blocks: Bitfield | undefined): void {
  const { blockSize } = cache
  if (!blocks) cache.remote.available(0, cache.remote.size)
  blocks?.forEachRun((start, count) => {
    cache.remote.available(start * blockSize, Math.min(count * blockSize, cache.remote.size - start * blockSize))
  })
}
