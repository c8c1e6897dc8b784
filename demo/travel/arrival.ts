import { systemClock } from '../../src/async/clock.ts'
import { ArrivingDisk } from '../../src/devices/arriving-disk.ts'
import type { OfferedDisk } from '../../src/devices/offered-disk.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import { encodeError } from '../../src/errors/wire.ts'
import { RateMeter } from '../../src/migration/progress.ts'
import { SyntheticWriter } from '../../src/modules/synthetic-writer.ts'
import { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import type { Connection } from '../../src/protocol/connection.ts'
import { DIRTY, HEAT_SHIFT, HOLDS_DATA, MOVED } from '../block-byte.ts'
import { formatBytes, formatHex } from '../format.ts'
import type { StorageKind } from '../mover/settings.ts'
import { againSecret } from './again-secret.ts'
import type { FromTraveller, WorkerLink } from './messages.ts'
import { createDisk, type Geometry, reopenDisk, type TravelDisk } from './travel-disks.ts'
import { openLink } from './worker-link.ts'

/** Bytes of the largest disk that is taken: a demo's are smaller, and what a stranger says must not fill a phone. */
const LARGEST_DISK_BYTES = 2 ** 30

/** Bytes per second of the program once it goes on here. */
const WRITE_RATE = 2 ** 20

/** Reads of blocks that are missing wait so long for the other side to come back: as long as it waits at a link. */
const RECONNECT_MS = 10 * 60_000

type Send = (message: FromTraveller, transfer?: Transferable[]) => void

/** Where a disk goes. */
export interface ArrivalOptions {
  readonly place: StorageKind
  /** Of the disk that an earlier page had taken a part of. Default: there is none. */
  readonly geometry?: Geometry
  readonly intervalMs: number
}

/** A disk on its way here, over one connection after another, and then one that is written here. */
export class Arrival {
  readonly #send: Send
  readonly #options: ArrivalOptions
  readonly #stop = new AbortController()
  readonly #rate = new RateMeter()
  readonly #arriving: ArrivingDisk
  #place: TravelDisk | undefined
  #monitor: VolatilityMonitor | undefined
  #writer: SyntheticWriter | undefined
  /** Blocks that have been here, for telling those that must come again from those that have yet to come. */
  #seen = new Uint8Array(0)
  #arrived = 0
  #missing = 0

  constructor(options: ArrivalOptions, send: Send) {
    this.#options = options
    this.#send = send
    this.#arriving = new ArrivingDisk({
      create: async (offer) => (await this.#open(offer)).disk,
      openJournal: () => this.#place!.journal,
      reconnectMs: RECONNECT_MS,
    })
  }

  /** Takes the disk over this connection, or what is left of it. */
  async receive(link: WorkerLink): Promise<void> {
    let connection: Connection | undefined
    try {
      connection = await openLink(link, 'dialer')
      this.#send({ type: 'proved', again: await againSecret(link.secret, connection.session) })
      await this.#arriving.attach(connection)
      this.#announce()
      void connection.rw.ended.then((error) => this.#part(error))
    } catch (error) {
      await connection?.close(error)
      if (!this.#arriving.isPlaced) await this.#place?.close()
      throw error
    }
  }

  /** Goes on with a disk that an earlier page had received, or takes it over without its source. */
  async use({ geometry, takeOver }: { geometry: Geometry; takeOver: boolean }): Promise<void> {
    await this.#arriving.open({ name: 'demo', ...geometry })
    if (takeOver) await this.#arriving.takeOver()
    this.#announce()
  }

  /** Reads a block that is still missing, or any once none is, and tells how long it took. */
  async read(): Promise<void> {
    if (!this.#arriving.isPlaced) return
    const { cache, disk, blockSize } = this.#arriving
    // From the end, since blocks nobody asks for come from the front.
    let block = cache.numBlocks - 1
    while (block > 0 && cache.isPresent(block)) block--
    const wasMissing = !cache.isPresent(block)
    if (!wasMissing) block = Math.floor(cache.numBlocks / 2)
    const startedAt = systemClock.now()
    await disk.readAt(new Uint8Array(blockSize), block * blockSize)
    this.#send({ type: 'read', block, wasMissing, ms: systemClock.now() - startedAt })
  }

  /** @throws StorageError `IN_DOUBT` when this may be the only copy */
  async clear(): Promise<void> {
    if (this.#arriving.isPlaced && this.#arriving.journal.ownership?.state === 'prepared') {
      const sentence = 'All of the disk is here, and the other side may have given it away. Reload this page to decide.'
      throw new StorageError('IN_DOUBT', sentence)
    }
    this.#stop.abort()
    await this.#place?.close()
  }

  async #open({ size, blockSize }: OfferedDisk): Promise<TravelDisk> {
    const { place, geometry } = this.#options
    if (size > LARGEST_DISK_BYTES) {
      const sentence = `A disk of ${formatBytes(size)} is offered; this page takes up to ${formatBytes(LARGEST_DISK_BYTES)}.`
      throw new StorageError('LIMIT_EXCEEDED', sentence, { context: { size } })
    }
    const isBegun = geometry !== undefined && place !== 'memory'
    if (isBegun && (geometry.size !== size || geometry.blockSize !== blockSize)) {
      const sentence = `A disk of ${formatBytes(size)} is offered, and what is here is of one of ${formatBytes(geometry.size)}. Discard that first.`
      throw new StorageError('SIZE_MISMATCH', sentence, { context: { size } })
    }
    const own = { size, blockSize }
    this.#place = isBegun ? await reopenDisk(place, 'arrival', own) : await createDisk(place, 'arrival', own)
    return this.#place
  }

  /** The disk is known and has a place: shows it from now on. */
  #announce(): void {
    const { name, size, blockSize, cache } = this.#arriving
    this.#send({ type: 'announced', name, size, blockSize })
    if (this.#seen.length > 0) return
    this.#seen = new Uint8Array(cache.numBlocks)
    this.#missing = cache.missingBlocks
    void this.#showAllTheTime()
    void this.#goOnHere()
  }

  /** The program goes on here once the disk is this side's. */
  async #goOnHere(): Promise<void> {
    try {
      const root = await this.#arriving.handedOver
      this.#send({ type: 'got', root: root ? formatHex(root) : (this.#arriving.journal.ownership?.root ?? '') })
    } catch {
      return // Told when the connection ended.
    }
    const { disk, blockSize } = this.#arriving
    this.#monitor = new VolatilityMonitor(disk, blockSize)
    this.#writer = new SyntheticWriter(this.#monitor, { bytesPerSecond: WRITE_RATE, pattern: 'zipf', seed: 2 })
    this.#writer.run(this.#stop.signal).catch(() => {}) // Ends with the disk.
  }

  #part(error: unknown): void {
    const { isOwner, cache } = this.#arriving
    const share = 1 - cache.missingBlocks / cache.numBlocks
    this.#send({ type: 'parted', isOwner, share, ...(error === undefined ? {} : { error: encodeError(error) }) })
  }

  async #showAllTheTime(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#picture()
      await systemClock.sleep(this.#options.intervalMs, this.#stop.signal).catch(() => {})
    }
  }

  #picture(): void {
    const { cache, blockSize } = this.#arriving
    const missing = cache.missingBlocks
    // Blocks that became void meanwhile hide as many that came; over a second that is nothing.
    this.#arrived += Math.max(0, this.#missing - missing)
    this.#missing = missing
    this.#rate.note(systemClock.now(), this.#arrived * blockSize)
    const blocks = new Uint8Array(cache.numBlocks)
    for (let block = 0; block < blocks.length; block++) {
      const isHere = cache.isPresent(block)
      if (isHere) this.#seen[block] = 1
      blocks[block] = isHere ? MOVED : this.#seen[block] ? DIRTY : HOLDS_DATA
      if (this.#monitor) blocks[block]! |= this.#monitor.level(block) << HEAT_SHIFT
    }
    const arrivals = {
      arrivedRate: this.#writer ? 0 : this.#rate.perSecond,
      missingBlocks: missing,
      waitingCalls: cache.waitingCalls,
      writes: this.#writer?.writes ?? 0,
    }
    this.#send({ type: 'arriving', blocks, arrivals }, [blocks.buffer])
  }
}
