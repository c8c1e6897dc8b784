import { StorageError } from '../errors/storage-error.ts'
import { cancel, commit, type Ownership, prepare, receive } from '../migration/journal/ownership.ts'
import type { WaitingCache } from '../modules/waiting-cache.ts'
import type { Connection } from '../protocol/connection.ts'
import type { HandOverParty } from '../protocol/hand-over-requests.ts'
import { proveMigration } from '../protocol/migration-proof.ts'
import type { ArrivalState, Begin, BeginResponse } from '../protocol/packets/begin.ts'
import type { BlockRange } from '../protocol/packets/keep.ts'
import type { Prepare } from '../protocol/packets/prepare.ts'
import { PROOF_BYTES } from '../protocol/packets/proof.ts'
import { type DigestLevel, PAGE_BLOCKS } from '../protocol/packets/read-digests.ts'
import { sameProof } from '../protocol/secret-proof.ts'
import { digestText } from '../storage/hash-tree.ts'
import type { ArrivingFace } from './arriving-face.ts'
import { type DiskJournal, idBytes } from './disk-journal.ts'
import type { OfferedDisk } from './offered-disk.ts'
import { readPages } from './read-pages.ts'

/** What a session needs of the disk that arrives. */
export interface SessionDisk {
  readonly info: OfferedDisk
  readonly journal: DiskJournal
  readonly cache: WaitingCache
  readonly isOwner: boolean
  /** Does what is asked one at a time, also across connections. */
  inTurn<Value>(work: () => Promise<Value>): Promise<Value>
  /** What is here counts as missing until the source has said that it is right. */
  voidAll(): void
  /** The disk is this side's: its application may write. */
  own(): void
  /** Somebody else owns the disk too: its application writes no more. */
  stop(): void
  /** All blocks are here: looks whether they are right, and records it. @throws StorageError `VERIFY_FAILED` */
  complete(root: Uint8Array | undefined, connection: Connection): Promise<void>
  /** Nothing is missing any more. */
  finish(): void
}

/**
 * The destination's part in a hand-over, over one connection. What is asked is done one at a time, in the order it came, also across the
 * connections of one disk.
 */
export class ArrivingSession implements HandOverParty {
  readonly #disk: SessionDisk
  readonly #connection: Connection
  readonly #face: ArrivingFace
  #began = false
  #mayBeIncomplete = false

  constructor(disk: SessionDisk, connection: Connection, face: ArrivingFace) {
    this.#disk = disk
    this.#connection = connection
    this.#face = face
  }

  begin(packet: Begin): Promise<Omit<BeginResponse, 'kind'>> {
    // Views do not live until it is this one's turn.
    const copy = { ...packet, diskId: packet.diskId.slice(), migrationId: packet.migrationId.slice() }
    const { token } = packet
    const own = token.type === 'key' ? { ...token, key: token.key.slice() } : { ...token, mac: token.mac.slice() }
    return this.#disk.inTurn(() => this.#begin({ ...copy, token: own }))
  }

  async #begin(packet: Begin): Promise<Omit<BeginResponse, 'kind'>> {
    if (this.#began) throw new StorageError('MALFORMED', 'The peer began a second time.')
    const { journal, info } = this.#disk
    const id = digestText(packet.migrationId)
    const isOurs = journal.ownership?.migration?.id === id
    const proof = { session: this.#connection.session, diskId: packet.diskId, epoch: packet.epoch }
    if (journal.ownership?.origin?.id === id) return this.#tellOrigin(journal.ownership, packet)
    if (packet.token.type === 'key') {
      const key = digestText(packet.token.key)
      if (isOurs && journal.ownership?.migration?.key !== key) throw this.#stranger()
      const { size, blockSize } = info
      const disk = { diskId: digestText(packet.diskId), size, blockSize }
      const next = receive(journal.ownership, disk, packet.epoch, { id, key })
      if (next !== journal.ownership) await journal.become(next)
    } else {
      if (!isOurs) return { state: 'unknown', hasClaims: false, epoch: 0, mac: new Uint8Array(PROOF_BYTES) }
      const expected = await proveMigration(idBytes(journal.ownership!.migration!.key), { ...proof, role: 'source' })
      if (!sameProof(expected, packet.token.mac)) throw this.#stranger()
    }
    const { diskId, state, epoch, migration, missing, forced } = journal.ownership!
    if (diskId !== digestText(packet.diskId) || migration!.nextEpoch !== packet.epoch + 1) {
      throw anotherDisk()
    }
    this.#began = true
    this.#mayBeIncomplete = packet.mayBeIncomplete
    if (state === 'receiving') this.#reopen()
    // It was said to be gone for good.
    else if (forced && !packet.isReleased) this.#disk.stop()
    else if (state === 'owner' && missing) this.#face.admission = 'missing'
    const mac = await proveMigration(idBytes(migration!.key), { ...proof, role: 'destination' })
    const hasClaims = state === 'owner' ? missing === true : journal.digests.knownBlocks > 0
    return { state: arrivalState(state), hasClaims, epoch, mac }
  }

  /** The disk came from this peer, who never heard so, and its owner has begun another migration since: the peer needs to hear nothing more. */
  async #tellOrigin(ownership: Ownership, packet: Begin): Promise<Omit<BeginResponse, 'kind'>> {
    const { diskId, epoch, origin, forced } = ownership
    const proof = { session: this.#connection.session, diskId: packet.diskId, epoch: packet.epoch }
    const key = idBytes(origin!.key)
    const isProven =
      packet.token.type === 'proof' &&
      sameProof(await proveMigration(key, { ...proof, role: 'source' }), packet.token.mac)
    if (!isProven) throw this.#stranger()
    if (diskId !== digestText(packet.diskId) || origin!.nextEpoch !== packet.epoch + 1) throw anotherDisk()
    // It was said to be gone for good.
    if (forced && !packet.isReleased) this.#disk.stop()
    return {
      state: 'owner',
      hasClaims: false,
      epoch,
      mac: await proveMigration(key, { ...proof, role: 'destination' }),
    }
  }

  async readDigests(level: DigestLevel, first: number, count: number): Promise<Uint8Array> {
    this.#checkBegan()
    const bits = this.#disk.isOwner ? (page: number) => this.#presence(page) : undefined
    return readPages(this.#disk.journal.digests, { level, first, count }, bits)
  }

  keep(ranges: readonly BlockRange[]): Promise<void> {
    return this.#disk.inTurn(async () => {
      this.#checkBegan()
      const { journal, cache } = this.#disk
      const { digests } = journal
      if (this.#face.admission !== 'open') throw new StorageError('MALFORMED', 'Nothing is to be kept now.')
      for (const { first, count } of ranges) {
        const end = first + count
        if (end > digests.blockCount || digests.known.nextClear(first, end) !== end) {
          throw new StorageError('MALFORMED', 'The peer keeps blocks that nobody claims.', {
            context: { first, count },
          })
        }
      }
      for (const { first, count } of ranges) {
        const offset = first * cache.blockSize
        cache.remote.available(offset, Math.min(count * cache.blockSize, this.#disk.info.size - offset))
      }
    })
  }

  prepare(packet: Prepare): Promise<Uint8Array | undefined> {
    const theirs = packet.root?.slice()
    return this.#disk.inTurn(async () => {
      this.#checkEpoch(packet.epoch)
      const { journal, cache } = this.#disk
      if (this.#face.admission !== 'open') throw new StorageError('MALFORMED', 'The hand-over is prepared already.')
      this.#face.admission = 'closed'
      try {
        await this.#face.idle()
        const missing = cache.missingBlocks
        // Whoever says that blocks follow sends them, also such as are here already, and shows the root then.
        const restFollows = this.#mayBeIncomplete && packet.missingBlocks > 0
        if (missing > (restFollows ? packet.missingBlocks : 0)) {
          throw new StorageError('VERIFY_FAILED', `${missing} blocks are still missing here.`)
        }
        const ours = restFollows ? undefined : journal.digests.root()
        if (!restFollows) checkRoots(ours, theirs)
        // From here on a block that is known is one that is here.
        if (restFollows) await this.#forgetMissing()
        const root = ours && digestText(ours)
        // The blocks first, then in one write what is known of them and what was promised: the writer waits for this.
        await journal.checkpoint({
          flush: () => cache.remote.flush(),
          ownership: prepare(journal.ownership!, { root, missing: restFollows }),
        })
        return ours
      } catch (error) {
        this.#face.admission = 'open'
        throw error
      }
    })
  }

  commit(epoch: number): Promise<void> {
    return this.#disk.inTurn(async () => {
      this.#checkEpoch(epoch)
      const { journal } = this.#disk
      const next = commit(journal.ownership!)
      if (next !== journal.ownership) await journal.become(next)
      if (next.missing) this.#face.admission = 'missing'
      this.#disk.own()
    })
  }

  cancel(epoch: number): Promise<void> {
    return this.#disk.inTurn(async () => {
      this.#checkEpoch(epoch)
      const { journal } = this.#disk
      if (journal.ownership!.state !== 'prepared' && journal.ownership!.state !== 'receiving') {
        throw new StorageError('NOT_OWNER', 'The disk was handed over; that cannot be cancelled.')
      }
      const next = cancel(journal.ownership!)
      if (next !== journal.ownership) await journal.become(next)
      this.#reopen()
    })
  }

  complete(root: Uint8Array | undefined): Promise<void> {
    const theirs = root?.slice()
    return this.#disk.inTurn(async () => {
      this.#checkBegan()
      const { journal, cache } = this.#disk
      if (journal.ownership!.state !== 'owner') throw new StorageError('MALFORMED', 'The disk is not handed over yet.')
      await this.#face.idle()
      if (cache.missingBlocks > 0) {
        throw new StorageError('VERIFY_FAILED', `${cache.missingBlocks} blocks are still missing here.`)
      }
      if (journal.ownership!.missing) await this.#disk.complete(theirs, this.#connection)
      this.#face.admission = 'closed'
      this.#disk.finish()
    })
  }

  /** What was claimed and never confirmed. */
  async #forgetMissing(): Promise<void> {
    const { journal, cache } = this.#disk
    const absent = journal.digests.known.clone()
    const present = cache.presentBlocks()
    try {
      absent.andNot(present)
      if (!absent.isEmpty()) await journal.forgetBlocks(absent)
    } finally {
      absent.free()
      present.free()
    }
  }

  /** Blocks are taken again, and what is here counts once the source has said that it is right. */
  #reopen(): void {
    this.#disk.voidAll()
    this.#face.admission = 'open'
  }

  #presence(page: number): Uint8Array {
    const { cache } = this.#disk
    const bits = new Uint8Array(PAGE_BLOCKS / 8)
    const start = page * PAGE_BLOCKS
    const end = Math.min(start + PAGE_BLOCKS, cache.numBlocks)
    for (let block = start; block < end; block++) {
      if (cache.isPresent(block)) bits[(block - start) >> 3]! |= 1 << ((block - start) & 7)
    }
    return bits
  }

  #checkBegan(): void {
    if (!this.#began) throw new StorageError('MALFORMED', 'The peer has not begun.')
  }

  #checkEpoch(epoch: number): void {
    this.#checkBegan()
    const { migration } = this.#disk.journal.ownership!
    if (epoch === migration?.nextEpoch) return
    throw new StorageError('MALFORMED', 'The peer speaks of another hand-over.', { context: { epoch } })
  }

  #stranger(): StorageError {
    const error = new StorageError('UNAUTHORIZED', 'The peer does not know the key of this migration.')
    this.#connection.rw.fail(error)
    return error
  }
}

function anotherDisk(): StorageError {
  return new StorageError('MALFORMED', 'The peer goes on with another disk or epoch than it began with.')
}

function arrivalState(state: 'owner' | 'receiving' | 'prepared' | 'released' | 'gone'): ArrivalState {
  // Whoever gave a disk on has owned it.
  return state === 'receiving' || state === 'prepared' ? state : 'owner'
}

function checkRoots(ours: Uint8Array | undefined, theirs: Uint8Array | undefined): void {
  if (!theirs) throw new StorageError('VERIFY_FAILED', 'The peer has not shown a root hash.')
  if (ours && digestText(ours) === digestText(theirs)) return
  const text = ours ? digestText(ours) : 'none'
  throw new StorageError('VERIFY_FAILED', `The root hash here is ${text}, the peer has ${digestText(theirs)}.`)
}
