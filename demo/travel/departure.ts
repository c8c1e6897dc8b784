import { systemClock } from '../../src/async/clock.ts'
import { SendingDisk } from '../../src/devices/sending-disk.ts'
import { errorCode, StorageError } from '../../src/errors/storage-error.ts'
import { encodeError } from '../../src/errors/wire.ts'
import { takeOver } from '../../src/migration/journal/ownership.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { SyntheticWriter } from '../../src/modules/synthetic-writer.ts'
import { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import type { TrackingStorageProvider } from '../../src/storage/tracking-provider.ts'
import { formatHex } from '../format.ts'
import { fillDisk } from '../mover/fill.ts'
import { MoveWatch } from '../mover/move-watch.ts'
import { Snapshots } from '../mover/snapshots.ts'
import { againSecret } from './again-secret.ts'
import type { FromTraveller, TravelSettings, WorkerLink } from './messages.ts'
import { createDisk, reopenDisk, type TravelDisk } from './travel-disks.ts'
import { openLink } from './worker-link.ts'

/** Bytes of a block: what the library is tuned for. */
const BLOCK_SIZE = 65536

/** Bytes sent in one go: at the slowest speed on offer a read from the other side waits for four of them, some 60 ms. */
const RUN_BYTES = 262144
const RUNS = 4

type Send = (message: FromTraveller, transfer?: Transferable[]) => void

/** A disk that is written here, and can be sent away: over one connection after another, until it has arrived. */
export class Departure {
  readonly #send: Send
  readonly #settings: TravelSettings
  readonly #intervalMs: number
  readonly #snapshots: Snapshots
  readonly #stop = new AbortController()
  #place: TravelDisk | undefined
  #sending: SendingDisk | undefined
  #source: TrackingStorageProvider | undefined
  #monitor: VolatilityMonitor | undefined
  #writer: SyntheticWriter | undefined
  #watch: MoveWatch | undefined
  /** Over all connections, as they went; what is over there already is looked at and not sent. */
  #bytesSent = 0

  constructor(settings: TravelSettings, intervalMs: number, send: Send) {
    this.#settings = settings
    this.#intervalMs = intervalMs
    this.#send = send
    this.#snapshots = new Snapshots(settings.size / BLOCK_SIZE)
  }

  /** Makes the disk, fills it, and starts the program that writes to it. */
  async prepare(): Promise<void> {
    const { place, size } = this.#settings
    this.#place = await createDisk(place, 'departure', { size, blockSize: BLOCK_SIZE })
    await fillDisk(this.#place.disk, {
      blockSize: BLOCK_SIZE,
      signal: this.#stop.signal,
      found: (start, end) => this.#snapshots.noteData(start, end),
      turn: () => {},
    })
    await this.#start(1)
    this.#send({ type: 'prepared' })
  }

  /** Opens the disk that an earlier page left, and starts the program unless the disk was given away. */
  async reopen(options: { takeBack: boolean }): Promise<void> {
    const { place, size } = this.#settings
    if (place === 'memory') throw new StorageError('NOT_FOUND', 'A disk in memory ends with its page.')
    this.#place = await reopenDisk(place, 'departure', { size, blockSize: BLOCK_SIZE })
    const { journal } = this.#place
    if (options.takeBack) await journal.become(takeOver(journal.ownership!))
    // Which blocks hold data would have to be read; nothing is.
    this.#snapshots.noteData(0, size / BLOCK_SIZE)
    await this.#start(2)
    this.#send(this.#sending!.isReleased ? { type: 'released' } : { type: 'prepared' })
  }

  /** Sends it, or what is left to be sent or said. Rejects when it did not get there. */
  async send(link: WorkerLink): Promise<void> {
    const { linkRate, size } = this.#settings
    const sent = (bytes: number) => {
      this.#bytesSent += bytes
    }
    const connection = await openLink(link, 'listener', { bytesPerSecond: linkRate, sent })
    this.#send({ type: 'proved', again: await againSecret(link.secret, connection.session) })
    const writer = this.#writer!
    const watch = new MoveWatch(this.#source!, this.#monitor!, writer)
    this.#watch = watch
    writer.resetLongestWrite()
    let phase = ''
    try {
      const result = await this.#sending!.send({
        connection,
        name: 'demo',
        order: this.#monitor!,
        runBytes: RUN_BYTES,
        ...(linkRate === 0 ? {} : { concurrency: { any: RUNS } }),
        // On a slow link, the last blocks of a busy program take their time.
        maxPauseMs: 3000,
        progressIntervalMs: this.#intervalMs,
        progressHandler: (progress, blocks) => {
          watch.note(progress, blocks)
          if (progress.phase === phase) return
          phase = progress.phase
          if (phase === 'full' || phase === 'dirty' || phase === 'locked') this.#send({ type: 'phase', phase })
        },
      })
      this.#stop.abort()
      this.#picture()
      if (!result.acknowledged) throw new StorageError('PEER_LOST', 'The link was lost behind the last word.')
      const { root, rounds, durationMs, pauseMs } = result
      const { writes, longestWriteMs } = writer
      const journey = { size, bytesMoved: this.#bytesSent, rounds, durationMs, pauseMs, writes, longestWriteMs }
      this.#send({ type: 'gave', journey: { ...journey, root: root ? formatHex(root) : this.#recordedRoot() } })
      await connection.close()
      await this.#place?.close()
    } catch (error) {
      await connection.close(error)
      throw error
    }
  }

  /** What the page is to be told of a failure. */
  failure(error: unknown): FromTraveller {
    const sending = this.#sending
    const { digests } = this.#place?.journal ?? {}
    if (!sending || !digests) return { type: 'failed', error: encodeError(error) }
    // What the page cannot tell from a lost peer by the code alone.
    const isReleased = sending.isReleased || errorCode(error) === 'IN_DOUBT'
    return { type: 'failed', error: encodeError(error), share: digests.knownBlocks / digests.blockCount, isReleased }
  }

  /** Ends the program and the disk. */
  async clear(): Promise<void> {
    this.#stop.abort()
    await this.#place?.close()
  }

  /** A program of another life writes other things. */
  async #start(seed: number): Promise<void> {
    const { disk, journal, intents } = this.#place!
    const { writeRate } = this.#settings
    const { local, remote } = createDirtyTracker(disk, BLOCK_SIZE, intents)
    const monitor = new VolatilityMonitor(local, BLOCK_SIZE)
    const writer = new SyntheticWriter(monitor, { bytesPerSecond: writeRate, pattern: 'zipf', seed })
    this.#source = remote
    this.#monitor = monitor
    this.#writer = writer
    this.#watch = new MoveWatch(remote, monitor, writer)
    this.#sending = await SendingDisk.open({ source: remote, journal })
    // Once the disk is given away, the write that waits at the gate meets a closed disk; nobody was told that it had been stored.
    if (!this.#sending.isReleased) writer.run(this.#stop.signal).catch(() => {})
    void this.#showAllTheTime()
  }

  #recordedRoot(): string {
    return this.#place?.journal.ownership?.root ?? ''
  }

  /** The program writes all the time, and that shows. */
  async #showAllTheTime(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#picture()
      await systemClock.sleep(this.#intervalMs, this.#stop.signal).catch(() => {})
    }
  }

  #picture(): void {
    const blocks = this.#snapshots.take(this.#watch, { must: true })
    if (blocks) this.#send({ type: 'sending', blocks, figures: this.#watch!.figures() }, [blocks.buffer])
  }
}
