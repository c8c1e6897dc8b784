import type { NbdAddress } from '../adapters/nbd/server.node.ts'
import { systemClock } from '../async/clock.ts'
import { type OfferedDisk, type ReceivedDisk, receiveDisk } from '../devices/receive-disk.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Connection } from '../protocol/connection.ts'
import { digestText } from '../storage/hash-tree.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { addressText, type DiskAddress } from './disk-address.ts'
import { NbdDoor } from './nbd-door.ts'
import { openDestination } from './open-disk.ts'
import type { Output } from './output.ts'
import { part } from './peer-link.ts'
import { PhaseMeter } from './phase-progress.ts'
import { formatDuration, formatSize } from './sizes.ts'

/** What the side that takes a disk was asked for. */
export interface DestinationOptions {
  readonly to: DiskAddress
  readonly force: boolean
  readonly nbd: NbdAddress | undefined
}

/** Blocks that are missing are counted this often for the progress that is shown. */
const PROGRESS_MS = 100

/** A disk on its way to this machine, and what it becomes here. */
export class DestinationSide {
  readonly #options: DestinationOptions
  readonly #connection: Connection
  readonly #output: Output
  #place: StorageProvider | undefined
  #disk: ReceivedDisk | undefined
  #door: NbdDoor | undefined
  #isOwner = false

  constructor(options: DestinationOptions, connection: Connection, output: Output) {
    this.#options = options
    this.#connection = connection
    this.#output = output
  }

  /** Whether the disk has been handed over to this side. */
  get isOwner(): boolean {
    return this.#isOwner
  }

  /** Whether there is something at the destination by now. */
  get hasPlace(): boolean {
    return this.#place !== undefined
  }

  /** Takes the disk and resolves with its root hash when it belongs to this side; clients are let in long before. */
  async receive(signal: AbortSignal): Promise<string | undefined> {
    // Ends the connection, and so all that waits for it. After the hand-over it has no say any more.
    const interrupt = () => {
      if (!this.#isOwner) void part(this.#connection, new StorageError('ABORTED', 'the destination was interrupted'))
    }
    signal.addEventListener('abort', interrupt, { once: true })
    if (signal.aborted) interrupt()
    try {
      const received = await receiveDisk({ connection: this.#connection, create: (offer) => this.#makePlace(offer) })
      this.#disk = received
      const handedOver = received.handedOver.then((root) => {
        this.#isOwner = true
        return root
      })
      handedOver.catch(() => {}) // Awaited below, after the door is open.
      const { nbd } = this.#options
      if (nbd) this.#door = await NbdDoor.open(nbd, exportName(received.name), received.disk, this.#output)
      const root = await this.#watch(received, handedOver)
      return root && digestText(root)
    } finally {
      signal.removeEventListener('abort', interrupt)
    }
  }

  /** The move is over and all blocks are here: clients need not go through what made it possible. */
  async serveAlone(): Promise<void> {
    await this.#door!.replace(this.#place!)
    this.#output.note('serving until interrupted')
  }

  /** The disk will not be this side's: clients that wait to write are told so. */
  refuse(reason: unknown): void {
    void this.#door?.endWriting(reason)
  }

  /** Ends everything in order; what clients were promised is on the disk. */
  async close(): Promise<void> {
    try {
      await this.#door?.close()
      if (this.#isOwner) await this.#place?.flush()
    } finally {
      await this.#place?.close()
    }
  }

  report(url: string, root: string | undefined, durationMs: number): void {
    const { size, name, blockSize } = this.#disk!
    const to = addressText(this.#options.to)
    const rate = `${formatSize((size / durationMs) * 1000)}/s`
    this.#output.result(
      {
        command: 'pull',
        url,
        to,
        name,
        size,
        blockSize,
        durationMs: Math.round(durationMs),
        verified: root !== undefined,
        root: root ?? null,
      },
      [
        `${formatSize(size)} taken over to ${to} in ${formatDuration(durationMs)} (${rate})`,
        root === undefined ? 'not compared: this dialect has no root hash' : `both sides are equal, root hash ${root}`,
      ],
    )
  }

  async #makePlace(offer: OfferedDisk): Promise<StorageProvider> {
    const { to, force } = this.#options
    const { disk } = await openDestination(to, offer.size, { keep: false, force })
    this.#place = disk
    const name = exportName(offer.name)
    this.#output.event('arriving', { name, size: offer.size }, `"${name}" of ${formatSize(offer.size)} is coming`)
    return disk
  }

  async #watch<Root>({ cache, size, blockSize }: ReceivedDisk, handedOver: Promise<Root>): Promise<Root> {
    const meter = new PhaseMeter('pull', size, (progress) => this.#output.progress(progress))
    const over = new AbortController()
    const watching = (async () => {
      while (!over.signal.aborted) {
        meter.note(Math.max(0, size - cache.missingBlocks * blockSize))
        await systemClock.sleep(PROGRESS_MS, over.signal)
      }
    })().catch(() => {}) // Stopped.
    try {
      return await handedOver
    } finally {
      over.abort()
      await watching
    }
  }
}

/** A stranger's name, made fit to be shown and to be asked for. */
function exportName(name: string): string {
  return name.replaceAll(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, '?') || 'disk'
}
