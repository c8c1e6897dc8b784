import { systemClock } from '../../src/async/clock.ts'
import { combineErrors, errorCode } from '../../src/errors/storage-error.ts'
import { encodeError } from '../../src/errors/wire.ts'
import { migrateLive } from '../../src/migration/migrate-live.ts'
import type { MigrationPhase } from '../../src/migration/progress.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { SyntheticWriter } from '../../src/modules/synthetic-writer.ts'
import { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { rootHash } from '../../src/storage/root-hash.ts'
import { formatHex } from '../format.ts'
import { checkSpace, deleteDisk, deleteDisks, openDisk, type Side } from './disks.ts'
import { fillDisk, surveyDisk } from './fill.ts'
import { LinkLimit, linkWindow } from './link-limit.ts'
import type { Figures, FromMover, Outcome, Step } from './messages.ts'
import { MoveWatch } from './move-watch.ts'
import type { Settings } from './settings.ts'
import { Snapshots } from './snapshots.ts'

/** How a run begins and whom it tells. */
export interface RunOptions {
  readonly settings: Settings
  /** Takes the source as an earlier run left it. */
  readonly reuse: boolean
  readonly intervalMs: number
  /** A source disk in memory that an earlier run left. */
  readonly memory: StorageProvider | undefined
  send(message: FromMover, transfer?: Transferable[]): void
}

const STEP_OF_PHASE: Readonly<Record<MigrationPhase, Step | undefined>> = {
  full: 'full',
  verify: undefined,
  dirty: 'dirty',
  locked: 'locked',
  rest: undefined,
  done: undefined,
}

/** One disk moved, from filling the source to comparing both sides. */
export class MoveRun {
  readonly #options: RunOptions
  readonly #abort = new AbortController()
  readonly #snapshots: Snapshots
  readonly #open: Partial<Record<Side, StorageProvider>> = {}
  #step: Step | undefined
  #filled: boolean
  #writer: SyntheticWriter | undefined
  #sentAt = 0

  constructor(options: RunOptions) {
    this.#options = options
    this.#filled = options.reuse
    this.#snapshots = new Snapshots(options.settings.size / options.settings.blockSize)
  }

  /** Stops as soon as possible; the source stays as the writer left it. Once both sides are only being compared, it has no effect. */
  cancel(): void {
    this.#abort.abort()
  }

  /** A snapshot's buffer comes back. */
  recycle(blocks: Uint8Array): void {
    this.#snapshots.giveBack(blocks)
  }

  /** Runs to one of the three ends, and tells it. Resolves with the source where it must be kept in memory for a next run. */
  async run(): Promise<StorageProvider | undefined> {
    const { settings, send } = this.#options
    try {
      await this.#prepare()
      const result = await this.#move()
      send({ type: 'finished', outcome: await this.#compare(result) })
      await this.#close('source')
      await this.#close('destination')
      return undefined
    } catch (error) {
      const failure = await this.#withdraw(error)
      const remains = { settings, filled: this.#filled, writes: this.#writer?.writes ?? 0 }
      if (errorCode(failure) === 'ABORTED') send({ type: 'cancelled', remains })
      else send({ type: 'failed', error: encodeError(failure), remains })
      return this.#open.source
    }
  }

  async #prepare(): Promise<void> {
    const { settings, reuse, memory } = this.#options
    this.#enter('fill')
    const fresh: Side[] = reuse ? ['destination'] : ['source', 'destination']
    for (const side of fresh) await deleteDisk(side)
    await checkSpace(settings, fresh)
    const { blockSize } = settings
    const source = memory ?? (await this.#openDisk('source'))
    this.#open.source = source
    await (reuse ? surveyDisk : fillDisk)(source, {
      blockSize,
      signal: this.#abort.signal,
      found: (start, end) => this.#snapshots.noteData(start, end),
      turn: () => this.#picture(),
    })
    this.#filled = true
    this.#picture(undefined, { must: true })
  }

  async #move(): Promise<Omit<Outcome, 'sourceRoot' | 'destinationRoot'>> {
    const { settings, intervalMs } = this.#options
    const { blockSize, writeRate, pattern, linkRate } = settings
    const destination = await this.#openDisk('destination')
    const { local, remote } = createDirtyTracker(this.#open.source!, blockSize)
    const monitor = new VolatilityMonitor(local, blockSize)
    monitor.addAll()
    const writer = new SyntheticWriter(monitor, { bytesPerSecond: writeRate, pattern, writeSize: 4096 })
    this.#writer = writer
    const watch = new MoveWatch(remote, monitor, writer)
    const stop = new AbortController()
    const writing = writer.run(stop.signal).catch((error: unknown) => {
      // After the hand-over the write that was held back meets a closed disk; nobody was told that it had been stored.
      if (!stop.signal.aborted) this.#abort.abort(error)
    })
    void this.#showAllTheTime(watch, stop.signal)
    this.#enter('full')
    try {
      const result = await migrateLive({
        source: remote,
        destination: linkRate === 0 ? destination : new LinkLimit(destination, linkRate),
        order: monitor,
        freshDestination: true,
        ...linkWindow(settings),
        signal: this.#abort.signal,
        progressIntervalMs: intervalMs,
        progressHandler: (progress, blocks) => {
          const step = STEP_OF_PHASE[progress.phase]
          if (step && step !== this.#step) this.#enter(step)
          watch.note(progress, blocks)
        },
      })
      this.#picture(watch, { must: true })
      return {
        settings,
        bytesMoved: result.bytesMoved,
        rounds: result.rounds,
        durationMs: result.durationMs,
        pauseMs: result.pauseMs,
        predictedPauseMs: result.predictedPauseMs,
        // The write that waits at the gate now counts too: it is what the program noticed of the move.
        longestWriteMs: writer.longestWriteMs,
        writes: writer.writes,
      }
    } catch (error) {
      stop.abort()
      await writing
      // A writer that failed stopped the migration, and is the reason to be told.
      const { aborted, reason } = this.#abort.signal
      throw aborted && errorCode(reason) !== undefined ? reason : error
    } finally {
      stop.abort()
    }
  }

  /** The migration reports only what it moves; the program writes on while what has crossed is flushed and read back. */
  async #showAllTheTime(watch: MoveWatch, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#picture(watch)
      await systemClock.sleep(this.#options.intervalMs, signal).catch(() => {})
    }
  }

  /** Both sides are closed and opened again first, so that what is hashed is what the storages kept. */
  async #compare(result: Omit<Outcome, 'sourceRoot' | 'destinationRoot'>): Promise<Outcome> {
    const { settings } = result
    this.#enter('compare')
    const roots: Record<Side, string> = { source: '', destination: '' }
    for (const side of ['source', 'destination'] as const) {
      if (settings[side] !== 'memory') {
        await this.#close(side)
        await this.#openDisk(side)
      }
      const before = side === 'source' ? 0 : settings.size
      const progress = (bytes: number) => this.#tellCompared((before + bytes) / (2 * settings.size))
      roots[side] = formatHex(await rootHash(this.#open[side]!, { blockSize: settings.blockSize, progress }))
    }
    return { ...result, sourceRoot: roots.source, destinationRoot: roots.destination }
  }

  /** Gives up: the unfinished copy goes, a filled source stays. Returns the failure, with what went wrong here behind it. */
  async #withdraw(error: unknown): Promise<unknown> {
    let failure = error
    try {
      await this.#close('destination')
      if (this.#filled && this.#options.settings.source === 'memory') await deleteDisk('destination')
      else {
        await this.#open.source?.flush()
        await this.#close('source')
        await (this.#filled ? deleteDisk('destination') : deleteDisks())
      }
    } catch (second) {
      failure = combineErrors(failure, second)
    }
    return failure
  }

  async #openDisk(side: Side): Promise<StorageProvider> {
    const { settings, send } = this.#options
    const disk = await openDisk(settings[side], side, settings.size)
    this.#open[side] = disk
    disk.on?.('warning', ({ message }) => send({ type: 'warning', message }))
    return disk
  }

  async #close(side: Side): Promise<void> {
    const disk = this.#open[side]
    delete this.#open[side]
    await disk?.close()
  }

  #enter(step: Step): void {
    this.#step = step
    this.#options.send({ type: 'step', step })
  }

  #tellCompared(share: number): void {
    const at = systemClock.now()
    if (at - this.#sentAt < this.#options.intervalMs) return
    this.#sentAt = at
    this.#options.send({ type: 'compared', share })
  }

  /** Sends a picture; one that need not be only if the last one is old enough and drawn. */
  #picture(watch?: MoveWatch, { must = false } = {}): void {
    const at = systemClock.now()
    if (!must && at - this.#sentAt < this.#options.intervalMs * 0.9) return
    const blocks = this.#snapshots.take(watch, { must })
    if (!blocks) return
    this.#sentAt = at
    this.#options.send({ type: 'snapshot', blocks, figures: watch?.figures() ?? NO_FIGURES }, [blocks.buffer])
  }
}

const NO_FIGURES: Figures = {
  elapsedMs: 0,
  round: 0,
  bytesMoved: 0,
  movedRate: 0,
  dirtyRate: 0,
  dirtyBlocks: 0,
  timeLeftMs: undefined,
  predictedPauseMs: undefined,
  writes: 0,
  isChecking: false,
}
