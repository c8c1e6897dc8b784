import { StorageError } from '../errors/storage-error.ts'
import { Lockable } from '../modules/lockable.ts'
import { createWaitingCache, type WaitingCache } from '../modules/waiting-cache.ts'
import { CONTROL_DEVICE, type Connection } from '../protocol/connection.ts'
import { type ArrivingDevice, FromProtocol } from '../protocol/from-protocol.ts'
import type { DevInfo } from '../protocol/packets/dev-info.ts'
import type { Packet } from '../protocol/packets/packet.ts'
import { createBlockHasher } from '../storage/block-hasher.ts'
import { digestText, HashTree } from '../storage/hash-tree.ts'
import { HashingStorage } from '../storage/hashing-storage.ts'
import type { StorageProvider } from '../storage/provider.ts'

/** A disk that the peer offers. Name and size are a stranger's: to be shown and checked, not to be trusted. */
export interface OfferedDisk {
  readonly name: string
  /** Bytes. */
  readonly size: number
  readonly blockSize: number
}

/** Where a disk goes that comes over a connection. */
export interface ReceiveDiskOptions {
  connection: Connection
  /** Makes the place for it, of exactly its size and reading as zero everywhere; refuses with a StorageError, which the peer is told. */
  create: (offer: OfferedDisk) => Promise<StorageProvider> | StorageProvider
}

/** A disk on its way here. */
export interface ReceivedDisk extends OfferedDisk {
  /**
   * For the application, at once: reads wait for the blocks they need and ask for them first, writes wait until the disk has been handed over.
   * It stays the face of the disk afterwards.
   */
  readonly disk: Lockable
  /** How far it is: missing blocks, which are present, calls that wait. */
  readonly cache: WaitingCache
  /**
   * Resolves when the disk is this side's: everything is stored and flushed and the roots agree; with that root, or undefined in dialect `silo`.
   * Rejects when the peer was lost before: then calls that lack a block fail with the same code, and the source still owns the disk.
   */
  readonly handedOver: Promise<Uint8Array | undefined>
}

/** Largest block that a peer may use: whole blocks are what arrives. */
const LARGEST_BLOCK_BYTES = 2 ** 24

/** Blocks of a disk that a peer may offer: 16 TiB of 64 KiB blocks. A few bits are kept for each, 128 MiB at most. */
const LARGEST_BLOCK_COUNT = 2 ** 28

/**
 * Takes the disk that the peer sends; resolves as soon as it is announced and there is a place for it, long before its blocks are here.
 * @throws StorageError what `create` refuses with, `SIZE_MISMATCH`, `PEER_LOST`, `MALFORMED`
 */
export async function receiveDisk(options: ReceiveDiskOptions): Promise<ReceivedDisk> {
  const { rw, dialect } = options.connection
  const arriving = new Arrival(options)
  const from = new FromProtocol(rw, 1, (info) => arriving.place(info, from))
  if (dialect === 'silo') {
    rw.handle(CONTROL_DEVICE, (packet, id) => controlOfGroup(options.connection, from, packet, id))
  }
  void rw.ended.then((reason) => arriving.lost(reason))
  await from.announced
  return arriving.received()
}

/** One disk arriving. */
class Arrival {
  readonly #options: ReceiveDiskOptions
  readonly #handedOver: Promise<Uint8Array | undefined>
  #resolve!: (root: Uint8Array | undefined) => void
  #reject!: (reason: unknown) => void
  #info: DevInfo | undefined
  #cache: WaitingCache | undefined
  #gate: Lockable | undefined
  #tree: HashTree | undefined
  #isHandedOver = false
  #agreed: Uint8Array | undefined

  constructor(options: ReceiveDiskOptions) {
    this.#options = options
    this.#handedOver = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#handedOver.catch(() => {}) // Heard by whoever awaits it.
  }

  async place(info: DevInfo, from: FromProtocol): Promise<ArrivingDevice> {
    const { name, size, blockSize } = info
    if (size < 1 || blockSize > LARGEST_BLOCK_BYTES || (blockSize & (blockSize - 1)) !== 0 || blockSize < 512) {
      throw new StorageError('MALFORMED', `The peer offers ${size} bytes in blocks of ${blockSize}.`)
    }
    if (size / blockSize > LARGEST_BLOCK_COUNT) {
      throw new StorageError('LIMIT_EXCEEDED', `The peer offers ${size} bytes in blocks of ${blockSize}.`)
    }
    const storage = await this.#options.create({ name, size, blockSize })
    if (this.#options.connection.dialect !== 'silo')
      this.#tree = new HashTree(size, blockSize, await createBlockHasher())
    const hashed = this.#tree ? new HashingStorage(storage, this.#tree) : storage
    const cache = createWaitingCache(hashed, blockSize, {
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
      invalidate: (blocks) => {
        this.#agreed = undefined
        cache.remote.invalidate(blocks)
      },
      available: () => {
        throw new StorageError('NOT_SUPPORTED', 'The disk begins empty here: nothing of it is here already.')
      },
      root: async (leafSize, digest) => this.#root(leafSize, digest),
      event: (event) => (event.type === 'completed' ? this.#complete() : undefined),
    }
  }

  received(): ReceivedDisk {
    const { name, size, blockSize } = this.#info!
    return { name, size, blockSize, disk: this.#gate!, cache: this.#cache!, handedOver: this.#handedOver }
  }

  lost(reason: unknown): void {
    if (this.#isHandedOver) return
    const error =
      reason ?? new StorageError('PEER_LOST', 'The peer closed the connection before it handed the disk over.')
    this.#cache?.fail(error)
    this.#reject(error)
  }

  #root(leafSize: number, theirs: Uint8Array): Uint8Array {
    if (leafSize !== this.#tree?.blockSize) throw new StorageError('MALFORMED', 'The peer changed the block size.')
    if (this.#cache!.missingBlocks > 0) {
      throw new StorageError('VERIFY_FAILED', `${this.#cache!.missingBlocks} blocks are still missing here.`)
    }
    const ours = this.#tree.root()
    this.#agreed = digestText(ours) === digestText(theirs) ? ours : undefined
    return ours
  }

  async #complete(): Promise<void> {
    const missing = this.#cache!.missingBlocks
    if (missing > 0) throw new StorageError('VERIFY_FAILED', `${missing} blocks are still missing here.`)
    if (this.#tree && !this.#agreed)
      throw new StorageError('VERIFY_FAILED', 'The peer has not shown the same root hash.')
    await this.#cache!.remote.flush()
    this.#isHandedOver = true
    // Nobody is asked any more: what is written from here on is of no interest to the peer.
    this.#cache!.resume({})
    this.#gate!.unlock()
    this.#resolve(this.#agreed)
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
