import { systemClock } from '../../src/async/clock.ts'
import { type ReceivedDisk, receiveDisk } from '../../src/devices/receive-disk.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import { RateMeter } from '../../src/migration/progress.ts'
import { SyntheticWriter } from '../../src/modules/synthetic-writer.ts'
import { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import type { Connection } from '../../src/protocol/connection.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { DIRTY, HEAT_SHIFT, HOLDS_DATA, MOVED } from '../block-byte.ts'
import { formatBytes, formatHex } from '../format.ts'
import type { StorageKind } from '../mover/settings.ts'
import type { FromTraveller, WorkerLink } from './messages.ts'
import { createDisk } from './travel-disks.ts'
import { openLink } from './worker-link.ts'

/** Bytes of the largest disk that is taken: a demo's are smaller, and what a stranger says must not fill a phone. */
const LARGEST_DISK_BYTES = 2 ** 30

/** Bytes per second of the program once it goes on here. */
const WRITE_RATE = 2 ** 20

type Send = (message: FromTraveller, transfer?: Transferable[]) => void

/** A disk on its way here, and then one that is written here. */
export class Arrival {
  readonly #send: Send
  readonly #place: StorageKind
  readonly #intervalMs: number
  readonly #stop = new AbortController()
  readonly #rate = new RateMeter()
  #disk: StorageProvider | undefined
  #received: ReceivedDisk | undefined
  #monitor: VolatilityMonitor | undefined
  #writer: SyntheticWriter | undefined
  /** Blocks that have been here, for telling those that must come again from those that have yet to come. */
  #seen = new Uint8Array(0)
  #arrived = 0
  #missing = 0

  constructor(place: StorageKind, intervalMs: number, send: Send) {
    this.#place = place
    this.#intervalMs = intervalMs
    this.#send = send
  }

  /** Takes the disk; resolves when it is this side's and the program goes on here. Rejects when it did not get here. */
  async receive(link: WorkerLink): Promise<void> {
    let connection: Connection | undefined
    try {
      connection = await openLink(link, 'dialer')
      this.#send({ type: 'proved' })
      const received = await receiveDisk({ connection, create: ({ size }) => this.#create(size) })
      const { name, size, blockSize } = received
      this.#seen = new Uint8Array(Math.ceil(size / blockSize))
      this.#missing = received.cache.missingBlocks
      this.#received = received
      this.#send({ type: 'announced', name, size, blockSize })
      void this.#showAllTheTime()
      const root = await received.handedOver
      this.#send({ type: 'got', root: formatHex(root ?? new Uint8Array(0)) })
      this.#writeOn(received)
    } catch (error) {
      this.#stop.abort()
      await connection?.close(error)
      await this.#disk?.close()
      throw error
    }
  }

  /** Reads a block that is still missing, or any once none is, and tells how long it took. */
  async read(): Promise<void> {
    const received = this.#received
    if (!received) return
    const { cache, disk, blockSize } = received
    // From the end, since blocks nobody asks for come from the front.
    let block = cache.numBlocks - 1
    while (block > 0 && cache.isPresent(block)) block--
    const wasMissing = !cache.isPresent(block)
    if (!wasMissing) block = Math.floor(cache.numBlocks / 2)
    const startedAt = systemClock.now()
    await disk.readAt(new Uint8Array(blockSize), block * blockSize)
    this.#send({ type: 'read', block, wasMissing, ms: systemClock.now() - startedAt })
  }

  async clear(): Promise<void> {
    this.#stop.abort()
    await this.#disk?.close()
  }

  async #create(size: number): Promise<StorageProvider> {
    if (size > LARGEST_DISK_BYTES) {
      const sentence = `A disk of ${formatBytes(size)} is offered; this page takes up to ${formatBytes(LARGEST_DISK_BYTES)}.`
      throw new StorageError('LIMIT_EXCEEDED', sentence, { context: { size } })
    }
    this.#disk = await createDisk(this.#place, 'arrival', size)
    return this.#disk
  }

  #writeOn({ disk, blockSize }: ReceivedDisk): void {
    this.#monitor = new VolatilityMonitor(disk, blockSize)
    this.#writer = new SyntheticWriter(this.#monitor, { bytesPerSecond: WRITE_RATE, pattern: 'zipf', seed: 2 })
    this.#writer.run(this.#stop.signal).catch(() => {}) // Ends with the disk.
  }

  async #showAllTheTime(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#picture(this.#received!)
      await systemClock.sleep(this.#intervalMs, this.#stop.signal).catch(() => {})
    }
  }

  #picture({ cache, blockSize }: ReceivedDisk): void {
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
