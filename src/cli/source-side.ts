import type { NbdAddress } from '../adapters/nbd/server.node.ts'
import { sendDisk } from '../devices/send-disk.ts'
import { combineErrors, StorageError } from '../errors/storage-error.ts'
import type { LiveMigrationResult } from '../migration/migrate-live.ts'
import { createDirtyTracker, type DirtyTracker } from '../modules/dirty-tracker.ts'
import type { Connection } from '../protocol/connection.ts'
import { FileStorage } from '../sources/file.node.ts'
import { digestText } from '../storage/hash-tree.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { addressText, type DiskAddress } from './disk-address.ts'
import { phaseOf } from './migration-phase.ts'
import { NbdDoor } from './nbd-door.ts'
import { openSource } from './open-disk.ts'
import type { Output } from './output.ts'
import { part } from './peer-link.ts'
import { formatDuration, formatSize } from './sizes.ts'

/** What the side that gives a disk away was asked for. */
export interface SourceOptions {
  readonly disk: DiskAddress
  readonly nbd: NbdAddress | undefined
  readonly name: string
  readonly blockSize: number
  readonly concurrency: number | undefined
  /** Milliseconds. */
  readonly maxPause: number
}

/** A disk in use that can be moved away, from opening it to the end. */
export class SourceSide {
  readonly size: number
  readonly #options: SourceOptions
  readonly #output: Output
  readonly #storage: StorageProvider
  readonly #tracker: DirtyTracker
  #door: NbdDoor | undefined

  private constructor(options: SourceOptions, output: Output, storage: StorageProvider) {
    this.size = storage.size
    this.#options = options
    this.#output = output
    this.#storage = storage
    this.#tracker = createDirtyTracker(storage, options.blockSize)
  }

  /** Opens the disk, and its door to NBD clients where one was asked for. */
  static async open(options: SourceOptions, output: Output): Promise<SourceSide> {
    const { disk, nbd, name } = options
    // Without a door nobody writes here, and a disk that may only be read can be moved too.
    const storage = disk.kind === 'file' && nbd ? await FileStorage.open(disk.path) : await openSource(disk)
    const side = new SourceSide(options, output, storage)
    try {
      if (nbd) side.#door = await NbdDoor.open(nbd, name, side.#tracker.local, output)
      return side
    } catch (error) {
      await storage.close()
      throw error
    }
  }

  /**
   * Sends the disk while clients write to it. When it fails they go on as if nothing had happened. An interrupt ends it at any time, a peer that hangs
   * included, but not between the last word of this side and the answer: only that tells whose the disk is.
   */
  async send(connection: Connection, signal: AbortSignal): Promise<LiveMigrationResult> {
    const { name, blockSize, concurrency, maxPause } = this.#options
    let isHandingOver = false
    const interrupt = () => {
      if (!isHandingOver) void part(connection, new StorageError('ABORTED', 'the source was interrupted'))
    }
    signal.addEventListener('abort', interrupt, { once: true })
    if (signal.aborted) interrupt()
    try {
      const sent = await sendDisk({
        connection,
        source: this.#tracker.remote,
        name,
        signal,
        maxPauseMs: maxPause,
        ...(concurrency === undefined ? {} : { concurrency: { any: concurrency } }),
        progressHandler: (progress) => this.#output.progress(phaseOf(progress, this.size, blockSize)),
        handOver: () => {
          isHandingOver = true
        },
      })
      if (!sent.acknowledged) {
        this.#output.warn('the disk was given away, and the other side was lost before it said that it has it')
      }
      return sent
    } catch (error) {
      // The other dialect has no way to tell.
      if (isHandingOver && connection.dialect === 'silo') {
        this.#output.warn('it failed within the hand-over: make sure that the other side did not take the disk over')
      }
      throw error
    } finally {
      signal.removeEventListener('abort', interrupt)
    }
  }

  /** After the hand-over: clients find the disk read-only, then the door closes. */
  async retire(): Promise<void> {
    await this.#door?.endWriting(new StorageError('LOCKED', 'the disk has moved away'))
  }

  /** Ends everything in order; what clients were promised is on the disk. Throws `failure` with what goes wrong in addition. */
  async close(failure?: unknown): Promise<void> {
    for (const end of [() => this.#door?.close(), () => this.#storage.close()]) {
      await end()?.catch((error: unknown) => {
        failure = combineErrors(failure, error)
      })
    }
    if (failure !== undefined) throw failure
  }

  report(command: string, live: LiveMigrationResult): void {
    const { disk, name, blockSize } = this.#options
    const root = live.root && digestText(live.root)
    const { rounds, bytesMoved, blocksDirtied, pauseMs, predictedPauseMs, durationMs } = live
    this.#output.result(
      {
        command,
        disk: addressText(disk),
        name,
        size: this.size,
        blockSize,
        rounds,
        bytesSent: bytesMoved,
        sentOverSize: bytesMoved / this.size,
        blocksDirtied,
        pauseMs,
        predictedPauseMs,
        durationMs,
        verified: root !== undefined,
        root: root ?? null,
      },
      [
        `${addressText(disk)}: ${formatSize(this.size)} handed over in ${formatDuration(durationMs)}, ${rounds} rounds over what was written meanwhile`,
        `sent            ${(bytesMoved / this.size).toFixed(2)} times the disk (${formatSize(bytesMoved)})`,
        `pause           ${formatDuration(pauseMs)}`,
        `verdict         ${root === undefined ? 'not compared: this dialect has no root hash' : `both sides are equal, root hash ${root}`}`,
        'The disk belongs to the other side now; what is here is a copy as of the hand-over.',
      ],
    )
  }
}
