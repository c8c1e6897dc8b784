import { StorageError } from '../errors/storage-error.ts'
import { Lockable } from '../modules/lockable.ts'
import { createWaitingCache, type WaitingCache } from '../modules/waiting-cache.ts'
import type { ArrivingDevice } from '../protocol/arriving-device.ts'
import { CONTROL_DEVICE, type Connection } from '../protocol/connection.ts'
import { FromProtocol } from '../protocol/from-protocol.ts'
import type { DevInfo } from '../protocol/packets/dev-info.ts'
import type { Packet } from '../protocol/packets/packet.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { checkOffer, type OfferedDisk } from './offered-disk.ts'
import { Outcome } from './outcome.ts'

/** A disk on its way here in dialect `silo`: one connection, an event as the last word, no hashes and no going on. */
export class SiloArrival {
  readonly #create: (offer: OfferedDisk) => Promise<StorageProvider> | StorageProvider
  readonly #dev: number
  readonly #owned = new Outcome<undefined>()
  #info: DevInfo | undefined
  #cache: WaitingCache | undefined
  #gate: Lockable | undefined
  readonly #opens: (open: () => void) => void
  /** The disk is this side's, and the application may write. */
  #isOpen = false

  /** `dev`: its number on the connection. `opens`: as that of `ArrivingDisk`. */
  constructor(
    create: (offer: OfferedDisk) => Promise<StorageProvider> | StorageProvider,
    { dev = 1, opens = (open) => open() }: { dev?: number; opens?: (open: () => void) => void } = {},
  ) {
    this.#create = create
    this.#dev = dev
    this.#opens = opens
  }

  get name(): string {
    return this.#info!.name
  }

  get size(): number {
    return this.#info!.size
  }

  get blockSize(): number {
    return this.#info!.blockSize
  }

  get disk(): Lockable {
    return this.#gate!
  }

  get cache(): WaitingCache {
    return this.#cache!
  }

  get handedOver(): Promise<undefined> {
    return this.#owned.promise
  }

  /** All blocks are here when it is handed over. */
  get whole(): Promise<void> {
    return this.#owned.promise
  }

  async attach(connection: Connection): Promise<void> {
    const from = this.listen(connection)
    connection.rw.handle(CONTROL_DEVICE, (packet, id) => controlOfGroup(connection, from, packet, id))
    await from.announced
  }

  /** A peer of this dialect says nothing of a hand-over before it takes place: there is never one in doubt here. */
  async takeOver(): Promise<void> {
    throw new StorageError('NOT_SUPPORTED', 'In dialect silo a disk is not taken over without its source.')
  }

  /** Takes what comes for this device; the caller announces it, as the control device says. */
  listen({ rw }: Connection): FromProtocol {
    if (this.#info) throw new StorageError('NOT_SUPPORTED', 'In dialect silo a migration cannot go on after a loss.')
    const from: FromProtocol = new FromProtocol(rw, this.#dev, (info) => this.#place(info, from))
    void rw.ended.then((reason) => this.#lost(reason))
    return from
  }

  async #place(info: DevInfo, from: FromProtocol): Promise<ArrivingDevice> {
    checkOffer(info)
    const { name, size, blockSize } = info
    const storage = await this.#create({ name, size, blockSize })
    const cache = createWaitingCache(storage, blockSize, {
      needAt: (offset, length) => from.needAt(offset, length),
      dontNeedAt: (offset, length) => from.dontNeedAt(offset, length),
    })
    // Exactly one side may write, and until the hand-over that is the source.
    this.#gate = new Lockable(cache.local)
    await this.#gate.lock()
    this.#info = info
    this.#cache = cache
    return {
      provider: cache.remote,
      invalidate: (blocks) => cache.remote.invalidate(blocks),
      available: () => {
        throw new StorageError('NOT_SUPPORTED', 'The disk begins empty here: nothing of it is here already.')
      },
      event: (event) => (event.type === 'completed' ? this.#complete() : undefined),
    }
  }

  #lost(reason: unknown): void {
    if (this.#isOpen) return
    const error =
      reason ?? new StorageError('PEER_LOST', 'The peer closed the connection before it handed the disk over.')
    this.#cache?.fail(error)
    this.#owned.reject(error)
  }

  async #complete(): Promise<void> {
    const missing = this.cache.missingBlocks
    if (missing > 0) throw new StorageError('VERIFY_FAILED', `${missing} blocks are still missing here.`)
    await this.cache.remote.flush()
    // Nobody is asked any more: what is written from here on is of no interest to the peer.
    this.cache.resume({})
    this.#opens(() => {
      this.#isOpen = true
      this.disk.unlock()
      this.#owned.resolve(undefined)
    })
  }
}

/** What a Go device group says on the control device. */
function controlOfGroup({ rw }: Connection, from: FromProtocol, packet: Packet, id: number): Promise<void> | void {
  if (packet.kind === 'event') return rw.respond(CONTROL_DEVICE, id, { kind: 'event-response' }, { urgent: true })
  if (packet.kind !== 'device-group-info') return
  const [device, ...others] = packet.devices
  if (!device || others.length > 0 || device.dev !== 1) {
    throw new StorageError(
      'NOT_SUPPORTED',
      `The peer offers ${packet.devices.length} disks; one at a time is taken here.`,
    )
  }
  from.announce(device)
}
