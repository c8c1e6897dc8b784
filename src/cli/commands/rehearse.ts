import { setMaxListeners } from 'node:events'
import { combineErrors, StorageError } from '../../errors/storage-error.ts'
import { type LiveMigrationResult, migrateLive } from '../../migration/migrate-live.ts'
import { Migrator } from '../../migration/migrator.ts'
import { createDirtyTracker } from '../../modules/dirty-tracker.ts'
import { SyntheticWriter, type WritePattern } from '../../modules/synthetic-writer.ts'
import { AnyBlockOrder } from '../../orders/any-block-order.ts'
import { compareDisks } from '../../storage/compare.ts'
import { digestText } from '../../storage/hash-tree.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import { blockCount } from '../../storage/range.ts'
import { addressText, type DiskAddress } from '../disk-address.ts'
import { phaseOf } from '../migration-phase.ts'
import { openSource } from '../open-disk.ts'
import type { Output } from '../output.ts'
import { PacedDisk } from '../paced-disk.ts'
import { PhaseMeter } from '../phase-progress.ts'
import { formatDuration, formatSize } from '../sizes.ts'
import { createWorkDisks, type WorkDisks } from '../work-disks.ts'

/** What `blockferry rehearse` was asked for. */
export interface RehearseOptions {
  readonly image: DiskAddress
  readonly blockSize: number
  readonly concurrency: number | undefined
  /** Bytes per second. */
  readonly writeRate: number
  readonly pattern: WritePattern
  readonly writeSize: number
  readonly seed: number
  /** Bytes per second that reach the destination; undefined for as many as it takes. */
  readonly linkRate: number | undefined
  /** Milliseconds. */
  readonly maxPause: number
  readonly directory: string | undefined
}

/**
 * Moves a copy of a disk while a synthetic writer writes to it, and tells the output what a real move would cost. The image is only read.
 * @throws StorageError `DID_NOT_CONVERGE`, `VERIFY_FAILED`, or the failure of a storage, once everything is cleaned up
 */
export async function rehearse(options: RehearseOptions, output: Output, signal: AbortSignal): Promise<void> {
  const image = await openSource(options.image)
  let disks: WorkDisks | undefined
  let failure: unknown
  try {
    disks = await createWorkDisks(2 * image.size, options.directory)
    output.note(`working on copies in ${disks.place}`)
    const source = await disks.create('source', image.size)
    const destination = await disks.create('destination', image.size)
    await fill(image, source, options, output, signal)
    const outcome = await move(source, destination, options, output, signal)
    report(options, image.size, outcome, output)
  } catch (error) {
    failure = error
  }
  for (const end of [() => disks?.remove(), () => image.close()]) {
    await end()?.catch((error: unknown) => {
      failure = combineErrors(failure, error)
    })
  }
  if (failure !== undefined) throw failure
}

async function fill(
  image: StorageProvider,
  source: StorageProvider,
  { blockSize }: RehearseOptions,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const order = new AnyBlockOrder(blockCount(image.size, blockSize))
  order.addAll()
  const meter = new PhaseMeter('load', image.size, (progress) => output.progress(progress))
  const migrator = new Migrator(createDirtyTracker(image, blockSize).remote, source, order, {
    blockSize,
    signal,
    freshDestination: true,
    progressHandler: ({ bytesMoved }) => meter.note(bytesMoved),
  })
  await migrator.migrate(order.numBlocks)
  await migrator.waitForCompletion()
}

interface Outcome {
  readonly live: LiveMigrationResult
  readonly longestWriteMs: number
  readonly bytesWritten: number
}

async function move(
  source: StorageProvider,
  destination: StorageProvider,
  options: RehearseOptions,
  output: Output,
  signal: AbortSignal,
): Promise<Outcome> {
  const { blockSize, concurrency, linkRate } = options
  const { local, remote } = createDirtyTracker(source, blockSize)
  const writer = new SyntheticWriter(local, {
    bytesPerSecond: options.writeRate,
    pattern: options.pattern,
    writeSize: options.writeSize,
    seed: options.seed,
  })
  const stopWriter = new AbortController()
  const stopMoving = new AbortController()
  // Every call under way listens to it, and Node takes more than ten for a leak.
  setMaxListeners(0, stopMoving.signal)
  const interrupt = () => stopMoving.abort(signal.reason)
  signal.addEventListener('abort', interrupt, { once: true })
  // A writer that fails ends the rehearsal; its failure is thrown below, where it is awaited.
  const writing = writer.run(stopWriter.signal)
  writing.catch((error: unknown) => stopMoving.abort(error))
  try {
    if (signal.aborted) interrupt()
    const live = await migrateLive({
      source: remote,
      destination: linkRate === undefined ? destination : new PacedDisk(destination, linkRate),
      freshDestination: true,
      signal: stopMoving.signal,
      maxPauseMs: options.maxPause,
      ...(concurrency === undefined ? {} : { concurrency: { any: concurrency } }),
      progressHandler: (progress) => output.progress(phaseOf(progress, source.size, blockSize)),
    })
    // The writer stands at the gate since the disk was handed over; what comes now is not part of its pause.
    const { longestWriteMs, bytesWritten } = writer
    await expectEqual(source, destination, options, output, signal)
    return { live, longestWriteMs, bytesWritten }
  } finally {
    signal.removeEventListener('abort', interrupt)
    stopWriter.abort()
    local.unlock()
    await writing
  }
}

async function expectEqual(
  source: StorageProvider,
  destination: StorageProvider,
  { blockSize }: RehearseOptions,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const meter = new PhaseMeter('compare', source.size, (progress) => output.progress(progress))
  const progress = (bytes: number) => meter.note(bytes)
  const difference = await compareDisks(source, destination, blockSize, { signal, progress })
  if (difference.bytes === 0) return
  const { blocks, firstOffset } = difference
  throw new StorageError('VERIFY_FAILED', `${blocks} blocks differ after the move, the first at ${firstOffset}`)
}

function report(options: RehearseOptions, size: number, outcome: Outcome, output: Output): void {
  const { live, longestWriteMs, bytesWritten } = outcome
  const sentOverSize = live.bytesMoved / size
  const root = live.root && digestText(live.root)
  const writer = `${options.pattern}, ${formatSize(options.writeRate)}/s, seed ${options.seed}`
  output.result(
    {
      command: 'rehearse',
      image: addressText(options.image),
      size,
      blockSize: options.blockSize,
      blocks: blockCount(size, options.blockSize),
      rounds: live.rounds,
      bytesSent: live.bytesMoved,
      sentOverSize,
      blocksDirtied: live.blocksDirtied,
      bytesWritten,
      longestPauseMs: longestWriteMs,
      pauseMs: live.pauseMs,
      predictedPauseMs: live.predictedPauseMs,
      durationMs: live.durationMs,
      equal: true,
      root: root ?? null,
    },
    [
      `${addressText(options.image)}: ${formatSize(size)} moved in ${formatDuration(live.durationMs)} while it was being written`,
      `writer          ${formatSize(bytesWritten)} written (${writer})`,
      `rounds          ${live.rounds} over what was written meanwhile`,
      `sent            ${sentOverSize.toFixed(2)} times the disk (${formatSize(live.bytesMoved)})`,
      `blocks dirtied  ${live.blocksDirtied} of ${blockCount(size, options.blockSize)}, repetitions counted`,
      `longest pause   ${formatDuration(longestWriteMs)} of the writer; stopped for ${formatDuration(live.pauseMs)}, predicted ${formatDuration(live.predictedPauseMs)}`,
      `verdict         both sides are equal, root hash ${root}`,
    ],
  )
}
