import type { NbdAddress } from '../adapters/nbd/server.node.ts'
import { type SentDisk, sendDisk } from '../devices/send-disk.ts'
import { SendingDisk } from '../devices/sending-disk.ts'
import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { combineErrors, StorageError } from '../errors/storage-error.ts'
import type { LiveMigrationResult, MigrationStrategy } from '../migration/migrate-live.ts'
import type { MigrationProgress } from '../migration/progress.ts'
import type { Connection } from '../protocol/connection.ts'
import type { Dialect } from '../protocol/protocol-rw.ts'
import { digestText } from '../storage/hash-tree.ts'
import { addressText, type DiskAddress } from './disk-address.ts'
import { phaseOf } from './migration-phase.ts'
import { NbdDoor } from './nbd-door.ts'
import type { Output } from './output.ts'
import { part } from './peer-link.ts'
import { formatDuration, formatSize } from './sizes.ts'
import { SourceDisk } from './source-disk.ts'

/** What the side that gives a disk away was asked for. */
export interface SourceOptions {
  readonly disk: DiskAddress
  readonly nbd: NbdAddress | undefined
  readonly name: string
  readonly blockSize: number
  readonly concurrency: number | undefined
  /** Milliseconds. */
  readonly maxPause: number
  /** Default: `auto`; in dialect `silo`, which knows nothing else, `pre-copy`. */
  readonly strategy?: MigrationStrategy | undefined
  /** Seconds that the whole move may take. */
  readonly deadline?: number | undefined
  /** Repairs of others may write to the disk, also where no client does. */
  readonly allowRepair?: boolean | undefined
}

/** A disk in use that can be moved away, from opening it to the end. */
export class SourceSide {
  readonly disk: SourceDisk
  readonly #options: SourceOptions
  readonly #dialect: Dialect
  readonly #output: Output
  #sending: SendingDisk | undefined
  #door: NbdDoor | undefined
  #isRetired = false

  private constructor(options: SourceOptions, dialect: Dialect, output: Output, disk: SourceDisk) {
    this.#options = options
    this.#dialect = dialect
    this.#output = output
    this.disk = disk
  }

  /** Opens the disk with its journal, and its door to NBD clients where one was asked for. @throws StorageError as `SourceDisk.open` */
  static async open(options: SourceOptions, dialect: Dialect, output: Output): Promise<SourceSide> {
    const { nbd, blockSize, strategy = 'pre-copy' } = options
    if (dialect === 'silo' && strategy !== 'pre-copy') {
      throw new InvalidArgumentError('--strategy', 'pre-copy in dialect silo', strategy)
    }
    // Without a door nobody writes here, and a disk that may only be read can be moved too.
    const isWritten = nbd !== undefined || options.allowRepair === true
    const disk = await SourceDisk.open({ disk: options.disk, blockSize, isWritten, dialect })
    const side = new SourceSide(options, dialect, output, disk)
    try {
      await side.#begin()
      return side
    } catch (error) {
      await side.close(error)
      throw error
    }
  }

  /** Whether the disk was given away: nobody writes to it here any more. */
  get isReleased(): boolean {
    return this.#sending?.isReleased ?? false
  }

  /** Whether nobody can tell yet that it was given away or not: clients wait. */
  get isInDoubt(): boolean {
    return this.#sending?.isInDoubt ?? false
  }

  async #begin(): Promise<void> {
    const { nbd, name } = this.#options
    const { tracker, face, beside } = this.disk
    if (this.#dialect !== 'silo') {
      const journal = beside && { journal: beside.journal }
      this.#sending = await SendingDisk.open({ source: tracker.remote, ...journal })
    }
    if (beside?.wasTouched) this.#output.note('somebody else has written to the disk: all of it will be compared')
    if (nbd) this.#door = await NbdDoor.open(nbd, name, { gate: tracker.local, face }, this.#output)
    if (!this.isReleased) return
    await this.retire()
    const line = 'the disk was given away before, and the other side has not said that it has everything'
    this.#output.event('released', {}, `${line}: waiting for it`)
  }

  /**
   * Sends the disk while clients write to it, or what is left to be sent or said. When it fails before the disk was given away, they go on as if
   * nothing had happened. An interrupt ends it at any time, a peer that hangs included, but not between the last word of this side and the answer.
   */
  async send(connection: Connection, signal: AbortSignal, onProgress = () => {}): Promise<SentDisk> {
    let isHandingOver = false
    const interrupt = () => {
      if (!isHandingOver) void part(connection, new StorageError('ABORTED', 'the source was interrupted'))
    }
    signal.addEventListener('abort', interrupt, { once: true })
    if (signal.aborted) interrupt()
    try {
      return await this.#send(connection, signal, {
        progressHandler: (progress) => {
          this.#output.progress(phaseOf(progress, this.disk.size, this.disk.blockSize))
          if (progress.phase === 'rest') isHandingOver = false
          onProgress()
        },
        handOver: () => {
          isHandingOver = true
        },
      })
    } catch (error) {
      // This dialect has no way to tell.
      if (isHandingOver && connection.dialect === 'silo') {
        this.#output.warn('it failed within the hand-over: make sure that the other side did not take the disk over')
      }
      throw error
    } finally {
      signal.removeEventListener('abort', interrupt)
      if (this.isReleased) await this.retire()
    }
  }

  async #send(
    connection: Connection,
    signal: AbortSignal,
    handlers: { progressHandler: (progress: MigrationProgress) => void; handOver: () => void },
  ): Promise<SentDisk> {
    const { name, concurrency, maxPause, deadline, strategy } = this.#options
    const { order, tracker } = this.disk
    const options = {
      connection,
      name,
      signal,
      order,
      maxPauseMs: maxPause,
      ...(concurrency === undefined ? {} : { concurrency: { any: concurrency } }),
      ...(deadline === undefined ? {} : { deadlineMs: deadline * 1000 }),
      ...handlers,
    }
    if (this.#sending) return this.#sending.send({ ...options, strategy: strategy ?? 'auto' })
    // What an earlier peer was sent, this one has not got.
    order.addAll()
    return sendDisk({ ...options, source: tracker.remote })
  }

  /** After the hand-over: clients find the disk read-only. */
  async retire(): Promise<void> {
    if (this.#isRetired) return
    this.#isRetired = true
    await this.#door?.endWriting(new StorageError('LOCKED', 'the disk has moved away'))
  }

  /** Ends everything in order; what clients were promised is on the disk. Throws `failure` with what goes wrong in addition. */
  async close(failure?: unknown): Promise<void> {
    await this.#door?.close().catch((error: unknown) => {
      failure = combineErrors(failure, error)
    })
    await this.disk.close(failure)
  }

  report(command: string, live: LiveMigrationResult): void {
    const { disk, name } = this.#options
    const { size, blockSize } = this.disk
    const root = live.root && digestText(live.root)
    const { rounds, bytesMoved, blocksDirtied, pauseMs, predictedPauseMs, durationMs } = live
    this.#output.result(
      {
        command,
        disk: addressText(disk),
        name,
        size,
        blockSize,
        rounds,
        bytesSent: bytesMoved,
        sentOverSize: bytesMoved / size,
        blocksDirtied,
        pauseMs,
        predictedPauseMs,
        durationMs,
        verified: root !== undefined,
        root: root ?? null,
      },
      [
        `${addressText(disk)}: ${formatSize(size)} handed over in ${formatDuration(durationMs)}, ${rounds} rounds over what was written meanwhile`,
        `sent            ${(bytesMoved / size).toFixed(2)} times the disk (${formatSize(bytesMoved)})`,
        `pause           ${formatDuration(pauseMs)}`,
        `verdict         ${root === undefined ? 'not compared: this dialect has no root hash' : `both sides are equal, root hash ${root}`}`,
        'The disk belongs to the other side now; what is here is a copy as of the hand-over.',
      ],
    )
  }
}
