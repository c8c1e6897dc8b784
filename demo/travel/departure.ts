import { systemClock } from '../../src/async/clock.ts'
import { sendDisk } from '../../src/devices/send-disk.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { SyntheticWriter } from '../../src/modules/synthetic-writer.ts'
import { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import type { TrackingStorageProvider } from '../../src/storage/tracking-provider.ts'
import { formatHex } from '../format.ts'
import { fillDisk } from '../mover/fill.ts'
import { MoveWatch } from '../mover/move-watch.ts'
import { Snapshots } from '../mover/snapshots.ts'
import type { FromTraveller, TravelSettings, WorkerLink } from './messages.ts'
import { createDisk } from './travel-disks.ts'
import { openLink } from './worker-link.ts'

/** Bytes of a block: what the library is tuned for. */
const BLOCK_SIZE = 65536

/** Bytes sent in one go: at the slowest speed on offer a read from the other side waits for four of them, some 60 ms. */
const RUN_BYTES = 262144
const RUNS = 4

type Send = (message: FromTraveller, transfer?: Transferable[]) => void

/** A disk that is written here, and can be sent away: again and again, until once it has arrived. */
export class Departure {
  readonly #send: Send
  readonly #settings: TravelSettings
  readonly #intervalMs: number
  readonly #snapshots: Snapshots
  readonly #stop = new AbortController()
  #disk: StorageProvider | undefined
  #source: TrackingStorageProvider | undefined
  #monitor: VolatilityMonitor | undefined
  #writer: SyntheticWriter | undefined
  #watch: MoveWatch | undefined

  constructor(settings: TravelSettings, intervalMs: number, send: Send) {
    this.#settings = settings
    this.#intervalMs = intervalMs
    this.#send = send
    this.#snapshots = new Snapshots(settings.size / BLOCK_SIZE)
  }

  /** Makes the disk, fills it, and starts the program that writes to it. */
  async prepare(): Promise<void> {
    const { place, size, writeRate } = this.#settings
    const disk = await createDisk(place, 'departure', size)
    this.#disk = disk
    await fillDisk(disk, {
      blockSize: BLOCK_SIZE,
      signal: this.#stop.signal,
      found: (start, end) => this.#snapshots.noteData(start, end),
      turn: () => {},
    })
    const { local, remote } = createDirtyTracker(disk, BLOCK_SIZE)
    const monitor = new VolatilityMonitor(local, BLOCK_SIZE)
    const writer = new SyntheticWriter(monitor, { bytesPerSecond: writeRate, pattern: 'zipf' })
    this.#source = remote
    this.#monitor = monitor
    this.#writer = writer
    this.#watch = new MoveWatch(remote, monitor, writer)
    // Once the disk is given away, the write that waits at the gate meets a closed disk; nobody was told that it had been stored.
    writer.run(this.#stop.signal).catch(() => {})
    void this.#showAllTheTime()
    this.#send({ type: 'prepared' })
  }

  /** Sends it. Rejects when it did not get there; then it is still here, and the program writes on. */
  async send(link: WorkerLink): Promise<void> {
    const { linkRate, size } = this.#settings
    const connection = await openLink(link, 'listener', linkRate)
    this.#send({ type: 'proved' })
    const writer = this.#writer!
    const monitor = this.#monitor!
    const watch = new MoveWatch(this.#source!, monitor, writer)
    this.#watch = watch
    writer.resetLongestWrite()
    monitor.addAll()
    let phase = ''
    try {
      const result = await sendDisk({
        connection,
        source: this.#source!,
        name: 'demo',
        order: monitor,
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
      const { root, bytesMoved, rounds, durationMs, pauseMs } = result
      const { writes, longestWriteMs } = writer
      const journey = { size, bytesMoved, rounds, durationMs, pauseMs, writes, longestWriteMs }
      this.#send({ type: 'gave', journey: { ...journey, root: formatHex(root ?? new Uint8Array(0)) } })
      await connection.close()
      await this.#disk?.close()
    } catch (error) {
      await connection.close(error)
      throw error
    }
  }

  /** Ends the program and the disk. */
  async clear(): Promise<void> {
    this.#stop.abort()
    await this.#disk?.close()
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
