import { StorageError } from '../errors/storage-error.ts'
import type { Connection } from '../protocol/connection.ts'
import type { DeviceGroupInfo } from '../protocol/packets/device-group-info.ts'
import { BlockDigests } from '../storage/block-digests.ts'
import { createBlockHasher } from '../storage/block-hasher.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { ArrivingDisk } from './arriving-disk.ts'
import { type DiskJournal, MemoryJournal } from './disk-journal.ts'
import { type GroupMessageHandler, GroupMessages } from './group-messages.ts'
import { GROUP_DISKS } from './limits.ts'
import type { OfferedDisk } from './offered-disk.ts'
import type { ReceivedDisk } from './receive-disk.ts'
import { SiloArrival } from './silo-arrival.ts'

/** Where a group of disks goes that comes over a connection. */
export interface ReceiveGroupOptions {
  connection: Connection
  /** As that of `receiveDisk`, for the `index`-th disk; what it refuses with ends the connection, and no disk comes. */
  create: (offer: OfferedDisk, index: number) => Promise<StorageProvider> | StorageProvider
  /** Opens the journal beside that place. Without it, and where it is undefined, what is known is kept in memory. Not in dialect `silo`. */
  journal?: (offer: OfferedDisk, index: number) => Promise<DiskJournal | undefined> | DiskJournal | undefined
  /** As that of `receiveDisk`. Default: 0. */
  reconnectMs?: number
  /** Hears what the other side's application says. */
  messageHandler?: GroupMessageHandler
}

/** Which disks of a group are opened again. */
export interface ReopenGroupOptions extends Omit<ReceiveGroupOptions, 'connection'> {
  /** As they were offered, in that order. */
  offers: readonly OfferedDisk[]
}

/** Disks with one life on their way here. */
export interface ReceivedGroup {
  /** In the order of the group. Their gates open together, once the source's word on the last of them has come. */
  readonly disks: readonly ReceivedDisk[]
  /** Resolves when all disks are this side's, with their roots; otherwise as that of each. After another `attach` a new promise stands here. */
  readonly handedOver: Promise<readonly (Uint8Array | undefined)[]>
  /** Resolves when all blocks of all disks are here. */
  readonly whole: Promise<void>
  /** Goes on over another connection after one was lost. Not in dialect `silo`. Resolves when the peer has announced the same disks again. */
  attach(connection: Connection): Promise<void>
  /**
   * As that of each disk, for all of them or none, and only once all were about to be handed over. A second call goes on where one has failed.
   * @throws StorageError as {@link ReceivedDisk.takeOver}; `NOT_OWNER` also when the source was not about to hand them over: it has them
   */
  takeOver(): Promise<void>
  /** Tells the other side's application something. @throws as `GroupMessages.send` */
  sendMessage(message: Uint8Array): Promise<void>
}

/**
 * Takes the disks that the peer sends together; resolves as soon as they are announced and there is a place for each.
 * @throws StorageError what `create` refuses with, `SIZE_MISMATCH`, `PEER_LOST`, `MALFORMED`, `LIMIT_EXCEEDED`
 */
export async function receiveGroup(options: ReceiveGroupOptions): Promise<ReceivedGroup> {
  const group = new ArrivingGroup(options)
  await group.attach(options.connection)
  return group
}

/**
 * Opens the disks of a group without their peer, after this process has been started anew: they can be used at once when all of them were handed over
 * before; else they wait for {@link ReceivedGroup.attach}. Not in dialect `silo`.
 * @throws StorageError what `create` and `journal` throw, `LIMIT_EXCEEDED`
 */
export async function reopenGroup(options: ReopenGroupOptions): Promise<ReceivedGroup> {
  const group = new ArrivingGroup(options)
  await group.open(options.offers)
  return group
}

/** A disk of the group in either dialect. */
type Arrival = ArrivingDisk | SiloArrival

class ArrivingGroup implements ReceivedGroup {
  readonly #options: Omit<ReceiveGroupOptions, 'connection'>
  #arrivals: readonly Arrival[] | undefined
  /** Gates of disks that are this side's, until all are. */
  readonly #ready: (() => void)[] = []
  #messages: GroupMessages | undefined

  constructor(options: Omit<ReceiveGroupOptions, 'connection'>) {
    this.#options = options
  }

  get disks(): readonly ReceivedDisk[] {
    return this.#arrivals!
  }

  get handedOver(): Promise<readonly (Uint8Array | undefined)[]> {
    return heard(Promise.all(this.disks.map((disk) => disk.handedOver)))
  }

  get whole(): Promise<void> {
    return heard(Promise.all(this.disks.map((disk) => disk.whole)).then(() => {}))
  }

  async attach(connection: Connection): Promise<void> {
    const { rw, dialect } = connection
    if (this.#arrivals && dialect === 'silo') {
      throw new StorageError('NOT_SUPPORTED', 'In dialect silo a migration cannot go on after a loss.')
    }
    const placed = new Promise<void>((resolve, reject) => {
      let isAnnounced = false
      this.#messages = new GroupMessages(connection, this.#options.messageHandler, (info) => {
        if (isAnnounced) throw new StorageError('MALFORMED', 'The peer announced its disks twice.')
        isAnnounced = true
        resolve(this.#take(connection, info))
      })
      void rw.ended.then((reason) =>
        reject(
          reason ?? new StorageError('PEER_LOST', 'The peer closed the connection before it announced the disks.'),
        ),
      )
    })
    await placed
  }

  async open(offers: readonly OfferedDisk[]): Promise<void> {
    checkCount(offers.length)
    const arrivals = offers.map((_, index) => this.#arriving(index + 1, offers.length))
    this.#arrivals = arrivals
    await Promise.all(arrivals.map((arrival, index) => arrival.open(offers[index]!)))
  }

  async takeOver(): Promise<void> {
    const arrivals = this.disks.map((disk) => (disk instanceof ArrivingDisk ? disk : notOfSilo()))
    for (const arrival of arrivals) {
      const state = arrival.isPlaced ? arrival.journal.ownership?.state : undefined
      if (state !== 'prepared' && state !== 'owner') {
        throw new StorageError('NOT_OWNER', 'The source was not about to hand the disks over: it has them.')
      }
      if (arrival.cache.missingBlocks > 0) throw new StorageError('VERIFY_FAILED', 'Blocks are still missing here.')
    }
    const rest = arrivals.filter(({ isWhole }) => !isWhole)
    if (rest.length === 0) throw new StorageError('NOT_OWNER', "The disks are this side's already.")
    for (const arrival of rest) await arrival.takeOver()
  }

  async sendMessage(message: Uint8Array): Promise<void> {
    if (!this.#messages) throw new StorageError('PEER_LOST', 'The group is not connected yet.')
    await this.#messages.send(message)
  }

  /** At once listens to all of them: what comes next may be for any. */
  #take(connection: Connection, { devices }: DeviceGroupInfo): Promise<void> {
    const sorted = [...devices].sort((left, right) => left.dev - right.dev)
    checkCount(sorted.length)
    if (this.#arrivals && this.#arrivals.length !== sorted.length) {
      throw new StorageError('SIZE_MISMATCH', 'The peer offers other disks than before.')
    }
    this.#arrivals ??= sorted.map(({ dev }) =>
      connection.dialect === 'silo' ? this.#silo(dev, sorted.length) : this.#arriving(dev, sorted.length),
    )
    const placed = this.#arrivals.map((arrival, index) => {
      if (arrival instanceof ArrivingDisk) return arrival.attach(connection)
      const from = arrival.listen(connection)
      from.announce(sorted[index]!)
      return from.announced
    })
    return Promise.all(placed).then(() => {})
  }

  #arriving(dev: number, count: number): ArrivingDisk {
    const { create, journal, reconnectMs = 0 } = this.#options
    return new ArrivingDisk({
      create: (offer) => create(offer, dev - 1),
      openJournal: async (offer) => (await journal?.(offer, dev - 1)) ?? memoryJournal(offer),
      reconnectMs,
      dev,
      opens: (open) => this.#opens(open, count),
    })
  }

  #silo(dev: number, count: number): SiloArrival {
    const { create } = this.#options
    return new SiloArrival((offer) => create(offer, dev - 1), { dev, opens: (open) => this.#opens(open, count) })
  }

  /** The gate of one disk opens when those of all may, without anything in between: nobody sees a write to one and none to another. */
  #opens(open: () => void, count: number): void {
    this.#ready.push(open)
    if (this.#ready.length === count) for (const open of this.#ready.splice(0)) open()
  }
}

function checkCount(count: number): void {
  if (count >= 1 && count <= GROUP_DISKS) return
  throw new StorageError('LIMIT_EXCEEDED', `The group has ${count} disks, 1 to ${GROUP_DISKS} are taken.`)
}

function notOfSilo(): never {
  throw new StorageError('NOT_SUPPORTED', 'In dialect silo disks are not taken over without their source.')
}

async function memoryJournal({ size, blockSize }: OfferedDisk): Promise<DiskJournal> {
  return new MemoryJournal(new BlockDigests(size, blockSize, await createBlockHasher()))
}

/** Whoever does not wait for it is not told of its failure by the host. */
function heard<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => {}) // Heard by whoever awaits it.
  return promise
}
