import type { NbdAddress } from '../adapters/nbd/server.node.ts'
import { systemClock } from '../async/clock.ts'
import { ArrivingDisk } from '../devices/arriving-disk.ts'
import { MemoryJournal } from '../devices/disk-journal.ts'
import { type OfferedDisk, type ReceivedDisk, receiveDisk } from '../devices/receive-disk.ts'
import { errorCode, StorageError } from '../errors/storage-error.ts'
import type { Connection } from '../protocol/connection.ts'
import { BlockDigests } from '../storage/block-digests.ts'
import { createBlockHasher } from '../storage/block-hasher.ts'
import { digestText } from '../storage/hash-tree.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { ArrivingPlace } from './arriving-place.ts'
import type { DestinationPlan } from './destination-plan.ts'
import { addressText, type DiskAddress, diskName } from './disk-address.ts'
import { NbdDoor } from './nbd-door.ts'
import type { Output } from './output.ts'
import { isLoss, Patience } from './patience.ts'
import { part, within } from './peer-link.ts'
import type { PeerSupply } from './peer-supply.ts'
import { PhaseMeter } from './phase-progress.ts'
import { formatDuration, formatSize } from './sizes.ts'
import { strangerName } from './stranger-name.ts'
import { tellFailure } from './visitors.ts'

/** What the side that takes a disk was asked for. */
export interface DestinationOptions {
  readonly to: DiskAddress
  readonly plan: DestinationPlan
  readonly nbd: NbdAddress | undefined
  /** Seconds that a lost peer is waited for. */
  readonly retry: number
}

/** A source hears at once that everything has arrived, and hangs up. */
const FAREWELL_MS = 5_000

/** Blocks that are missing are counted this often for the progress that is shown. */
const PROGRESS_MS = 100

/** A disk on its way to this machine, over one connection after another, and what it becomes here. */
export class DestinationSide {
  readonly #options: DestinationOptions
  readonly #output: Output
  readonly #place: ArrivingPlace
  readonly #isSilo: boolean
  #disk: ReceivedDisk | undefined
  #arriving: ArrivingDisk | undefined
  #connection: Connection | undefined
  #door: NbdDoor | undefined
  #isOwner = false

  constructor(options: DestinationOptions, isSilo: boolean, output: Output) {
    this.#options = options
    this.#output = output
    this.#isSilo = isSilo
    this.#place = new ArrivingPlace(options.to, options.plan, !isSilo)
  }

  /** Whether the disk has been handed over to this side. */
  get isOwner(): boolean {
    return this.#isOwner || (this.#arriving?.isOwner ?? false)
  }

  /** Whether it is this side's, and needs the other no more. */
  get isWhole(): boolean {
    return this.#isSilo ? this.#isOwner : (this.#arriving?.isWhole ?? false)
  }

  /** Whether there is something at the destination by now. */
  get hasPlace(): boolean {
    return this.#place.disk !== undefined
  }

  get connection(): Connection | undefined {
    return this.#connection
  }

  /** Takes the disk and resolves with its root hash when it belongs to this side and all of it is here; clients are let in long before. */
  async receive(peers: PeerSupply, signal: AbortSignal): Promise<string | undefined> {
    // Ends the connection, and so all that waits for it. Once everything is here it has no say any more.
    const interrupt = () => {
      const error = new StorageError('ABORTED', 'the destination was interrupted')
      if (!this.isWhole && this.#connection) void part(this.#connection, error)
    }
    signal.addEventListener('abort', interrupt, { once: true })
    if (signal.aborted) interrupt()
    const watching = new AbortController()
    const watched = this.#watch(watching.signal)
    try {
      const root = this.#isSilo ? await this.#receiveOnce(peers, signal) : await this.#receiveAgain(peers, signal)
      return root && digestText(root)
    } finally {
      watching.abort()
      await watched
      signal.removeEventListener('abort', interrupt)
    }
  }

  /**
   * The disk is this side's and whole: waits until the other side knows, which may have been killed before it did, and is looked for as long as any
   * lost peer. A link that just ends says nothing.
   * @throws StorageError `IN_DOUBT`, `NOT_OWNER` when it owns the disk too
   */
  async untilAcknowledged(peers: PeerSupply, signal: AbortSignal): Promise<void> {
    const patience = new Patience(this.#options.retry * 1000)
    for (;;) {
      try {
        const connection = this.#connection
        if (connection && ((await isAcknowledged(connection)) || this.#isSilo)) return await part(connection)
        if (connection) await part(connection)
        this.#connection = undefined
        await patience.pause(new StorageError('PEER_LOST', 'the other side left without a word'), signal)
        this.#connection = await peers.next(signal, patience.leftMs)
        await this.#arriving!.attach(this.#connection)
      } catch (error) {
        if (!isLoss(error) && !signal.aborted) throw error
        if (patience.leftMs > 0 && !signal.aborted) continue
        this.#output.note('everything is here; the other side may not know, and pull --resume tells it')
        return
      }
    }
  }

  /** The move is over and all blocks are here. What is written from now on is noticed by the journal, so that only that travels when the disk moves on. */
  async serveAlone(): Promise<void> {
    if (this.#isSilo) await this.#door!.replace(this.#place.disk!)
    this.#output.note('serving until interrupted')
  }

  /** Nothing more comes: calls that lack a block fail, and clients that wait to write are told so where the disk is not this side's. */
  refuse(reason: unknown): void {
    this.#arriving?.end()
    if (this.#arriving?.isPlaced) this.#arriving.cache.fail(reason)
    if (!this.isOwner) void this.#door?.endWriting(reason)
  }

  /** Ends everything in order; what clients were promised is on the disk. */
  async close(): Promise<void> {
    this.#arriving?.end()
    try {
      await this.#door?.close()
    } finally {
      await this.#place.close()
    }
  }

  report(url: string, root: string | undefined, durationMs: number): void {
    const { size, name, blockSize } = this.#disk!
    const to = addressText(this.#options.to)
    const rate = `${formatSize((size / durationMs) * 1000)}/s`
    const epoch = this.#place.journal?.ownership?.epoch ?? null
    this.#output.result(
      {
        command: 'pull',
        url,
        to,
        name: strangerName(name),
        size,
        blockSize,
        durationMs: Math.round(durationMs),
        verified: root !== undefined,
        root: root ?? null,
        epoch,
      },
      [
        `${formatSize(size)} taken over to ${to} in ${formatDuration(durationMs)} (${rate})`,
        root === undefined ? 'not compared: this dialect has no root hash' : `both sides are equal, root hash ${root}`,
      ],
    )
  }

  /** One connection, and no second chance. */
  async #receiveOnce(peers: PeerSupply, signal: AbortSignal): Promise<Uint8Array | undefined> {
    this.#connection = await peers.next(signal)
    const received = await receiveDisk({ connection: this.#connection, create: (offer) => this.#makePlace(offer) })
    this.#disk = received
    await this.#openDoor()
    const root = await received.handedOver
    this.#isOwner = true
    return root
  }

  async #receiveAgain(peers: PeerSupply, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const { plan, retry, to } = this.#options
    const arriving = this.#newDisk()
    this.#arriving = arriving
    const { ownership } = plan
    const isResumed = ownership !== undefined && ownership.state !== 'gone' && ownership.state !== 'released'
    if (isResumed) {
      await arriving.open({ name: diskName(to), size: ownership.size, blockSize: ownership.blockSize })
      this.#disk = arriving
      await this.#openDoor()
    }
    const patience = new Patience(retry * 1000)
    // Who is called for the first time should be there.
    let hasMet = isResumed
    for (;;) {
      let failure: unknown
      try {
        const connection = await peers.next(signal, hasMet ? patience.leftMs : undefined)
        this.#connection = connection
        const wasWhole = this.isWhole
        await arriving.attach(connection)
        hasMet = true
        patience.renew()
        this.#disk = arriving
        await this.#place.meets(peers.text)
        await this.#openDoor()
        if (wasWhole) await isAcknowledged(connection)
        else await Promise.race([arriving.whole, lossOf(connection)])
        break
      } catch (error) {
        failure = error
      }
      if (this.isWhole && isLoss(failure)) {
        this.#output.note('everything is here; the other side could not be told so')
        break
      }
      if (!hasMet) throw failure
      await patience.pause(failure, signal)
      tellFailure(this.#output, 'retry', 'looking for the other side again', failure)
    }
    return arriving.journal.digests.root() ?? storedRoot(arriving)
  }

  #newDisk(): ArrivingDisk {
    const place = this.#place
    const hashing = this.#hashing()
    return new ArrivingDisk({
      create: (offer) => this.#makePlace(offer),
      openJournal: async (offer) => place.journal ?? memoryJournal(offer),
      reconnectMs: this.#options.retry * 1000,
      // Known once the place is open, and asked after that.
      get olderCopy() {
        return place.isOlderCopy
      },
      onHashing: hashing,
    })
  }

  #hashing(): (done: number, total: number) => void {
    let meter: PhaseMeter | undefined
    return (done, total) => {
      meter ??= new PhaseMeter('hash', total, (progress) => this.#output.progress(progress))
      meter.note(done)
    }
  }

  async #openDoor(): Promise<void> {
    const { nbd } = this.#options
    if (!nbd || this.#door) return
    const { name, disk } = this.#disk!
    this.#door = await NbdDoor.open(nbd, strangerName(name), { gate: disk }, this.#output)
  }

  async #makePlace(offer: OfferedDisk): Promise<StorageProvider> {
    const disk = await this.#place.open(offer)
    const name = strangerName(offer.name)
    this.#output.event('arriving', { name, size: offer.size }, `"${name}" of ${formatSize(offer.size)} is coming`)
    return disk
  }

  async #watch(over: AbortSignal): Promise<void> {
    let meter: PhaseMeter | undefined
    try {
      while (!over.aborted) {
        const disk = this.#disk
        if (disk) {
          meter ??= new PhaseMeter('pull', disk.size, (progress) => this.#output.progress(progress))
          meter.note(Math.max(0, disk.size - disk.cache.missingBlocks * disk.blockSize))
        }
        await systemClock.sleep(PROGRESS_MS, over)
      }
    } catch {
      // Stopped.
    }
  }
}

/** Rejects when the connection has ended. */
async function lossOf({ rw }: Connection): Promise<never> {
  const reason = await rw.ended
  throw reason ?? new StorageError('PEER_LOST', 'The peer closed the connection before everything was here.')
}

/** Whether the other side has said that it needs nothing more. @throws what else it says, such as that it owns the disk too */
async function isAcknowledged({ rw }: Connection): Promise<boolean> {
  let reason: unknown
  await within(
    rw.ended.then((ended) => {
      reason = ended
    }),
    FAREWELL_MS,
  )
  if (errorCode(reason) === 'CLOSED') return true
  if (reason !== undefined && !isLoss(reason)) throw reason
  return false
}

async function memoryJournal({ size, blockSize }: OfferedDisk): Promise<MemoryJournal> {
  return new MemoryJournal(new BlockDigests(size, blockSize, await createBlockHasher()))
}

/** The root as of the hand-over, where blocks were written here since. */
function storedRoot({ journal }: ArrivingDisk): Uint8Array | undefined {
  const text = journal.ownership?.root
  return text === undefined ? undefined : Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}
