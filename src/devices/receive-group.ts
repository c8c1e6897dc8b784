import { StorageError } from '../errors/storage-error.ts'
import type { Connection } from '../protocol/connection.ts'
import type { DeviceGroupInfo, GroupDevice } from '../protocol/packets/device-group-info.ts'
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

/** Disks with one life on their way here. */
export interface ReceivedGroup {
  /** In the order of the group. Each has a gate of its own, which opens when the source's word on it has come; use {@link handedOver} for all. */
  readonly disks: readonly ReceivedDisk[]
  /** Resolves when all disks are this side's, with their roots; otherwise as that of each. After another `attach` a new promise stands here. */
  readonly handedOver: Promise<readonly (Uint8Array | undefined)[]>
  /** Resolves when all blocks of all disks are here. */
  readonly whole: Promise<void>
  /** Goes on over another connection after one was lost. Not in dialect `silo`. Resolves when the peer has announced the same disks again. */
  attach(connection: Connection): Promise<void>
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

/** A disk of the group in either dialect. */
type Arrival = ArrivingDisk | SiloArrival

class ArrivingGroup implements ReceivedGroup {
  readonly #options: ReceiveGroupOptions
  #arrivals: readonly Arrival[] | undefined
  #messages!: GroupMessages

  constructor(options: ReceiveGroupOptions) {
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

  sendMessage(message: Uint8Array): Promise<void> {
    return this.#messages.send(message)
  }

  /** At once listens to all of them: what comes next may be for any. */
  #take(connection: Connection, { devices }: DeviceGroupInfo): Promise<void> {
    const sorted = [...devices].sort((left, right) => left.dev - right.dev)
    if (sorted.length < 1 || sorted.length > GROUP_DISKS) {
      throw new StorageError(
        'LIMIT_EXCEEDED',
        `The peer offers ${sorted.length} disks, at most ${GROUP_DISKS} are taken.`,
      )
    }
    if (this.#arrivals && this.#arrivals.length !== sorted.length) {
      throw new StorageError('SIZE_MISMATCH', 'The peer offers other disks than before.')
    }
    this.#arrivals ??= sorted.map((device) => this.#arrival(connection, device))
    const placed = this.#arrivals.map((arrival, index) => {
      if (arrival instanceof ArrivingDisk) return arrival.attach(connection)
      const from = arrival.listen(connection)
      from.announce(sorted[index]!)
      return from.announced
    })
    return Promise.all(placed).then(() => {})
  }

  #arrival({ dialect }: Connection, { dev }: GroupDevice): Arrival {
    const { create, journal, reconnectMs = 0 } = this.#options
    const place = (offer: OfferedDisk) => create(offer, dev - 1)
    if (dialect === 'silo') return new SiloArrival(place, dev)
    const openJournal = async (offer: OfferedDisk) => (await journal?.(offer, dev - 1)) ?? memoryJournal(offer)
    return new ArrivingDisk({ create: place, openJournal, reconnectMs, dev })
  }
}

async function memoryJournal({ size, blockSize }: OfferedDisk): Promise<DiskJournal> {
  return new MemoryJournal(new BlockDigests(size, blockSize, await createBlockHasher()))
}

/** Whoever does not wait for it is not told of its failure by the host. */
function heard<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => {}) // Heard by whoever awaits it.
  return promise
}
