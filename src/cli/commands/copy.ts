import { systemClock } from '../../async/clock.ts'
import { combineErrors, StorageError } from '../../errors/storage-error.ts'
import { Migrator } from '../../migration/migrator.ts'
import { createDirtyTracker } from '../../modules/dirty-tracker.ts'
import { AnyBlockOrder } from '../../orders/any-block-order.ts'
import type { BlockOrder } from '../../orders/block-order.ts'
import { createBlockHasher } from '../../storage/block-hasher.ts'
import { digestText, HashTree } from '../../storage/hash-tree.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import { blockCount } from '../../storage/range.ts'
import { rootHash } from '../../storage/root-hash.ts'
import { walkTogether } from '../../storage/sequential-reader.ts'
import { addressText, type DiskAddress } from '../disk-address.ts'
import { refuseForeignDisk, refusePartOfDisk } from '../disk-claim.ts'
import { removeRecord } from '../journal-beside.ts'
import { type Destination, incomplete, openDestination, openSource, refuseSameFile } from '../open-disk.ts'
import type { Output } from '../output.ts'
import { PhaseMeter } from '../phase-progress.ts'
import { formatDuration, formatSize } from '../sizes.ts'

/** What `blockferry copy` was asked for. */
export interface CopyOptions {
  readonly from: DiskAddress
  readonly to: DiskAddress
  readonly blockSize: number
  /** Calls under way together. */
  readonly concurrency: number | undefined
  /** Keep what the destination holds and write only blocks that differ. */
  readonly changed: boolean
  /** Write over a destination that exists. */
  readonly force: boolean
  /** Read everything back and compare hashes. */
  readonly verify: boolean
}

/**
 * Copies a disk, and tells the output how it went. A destination that could not be finished stays as it is, and the failure says so.
 * @throws StorageError with the failure, once everything is closed
 */
export async function copy(options: CopyOptions, output: Output, signal: AbortSignal): Promise<void> {
  const startedAt = systemClock.now()
  await refuseSameFile(options.from, options.to)
  await refusePartOfDisk(options.from)
  await refuseForeignDisk(options.to)
  const source = await openSource(options.from)
  let destination: Destination | undefined
  let failure: unknown
  try {
    destination = await openDestination(options.to, source.size, { keep: options.changed, force: options.force })
    // What is written here is another disk than the one that was moved.
    if (options.to.kind === 'file') await removeRecord(options.to.path)
    const run = new CopyRun(options, source, destination, output, signal)
    const root = await run.copy()
    report(options, run, root, systemClock.now() - startedAt, output)
  } catch (error) {
    const isLeftBehind = destination !== undefined && options.to.kind === 'file'
    failure = isLeftBehind ? incomplete(error, addressText(options.to)) : error
  }
  for (const disk of [destination?.disk, source]) {
    await disk?.close().catch((error: unknown) => {
      failure = combineErrors(failure, error)
    })
  }
  if (failure !== undefined) throw failure
}

class CopyRun {
  readonly source: StorageProvider
  /** Bytes of blocks sent to the destination, zeroes included. */
  bytesCopied = 0
  readonly #options: CopyOptions
  readonly #destination: Destination
  readonly #output: Output
  readonly #signal: AbortSignal
  /** Hashes of the source as it was read; undefined without verification. */
  #tree: HashTree | undefined

  constructor(
    options: CopyOptions,
    source: StorageProvider,
    destination: Destination,
    output: Output,
    signal: AbortSignal,
  ) {
    this.#options = options
    this.source = source
    this.#destination = destination
    this.#output = output
    this.#signal = signal
  }

  /** Returns the root hash that both sides have, undefined without verification. */
  async copy(): Promise<string | undefined> {
    const { blockSize, verify } = this.#options
    if (verify) this.#tree = new HashTree(this.source.size, blockSize, await createBlockHasher())
    const order = new AnyBlockOrder(blockCount(this.source.size, blockSize))
    if (this.#destination.fresh) order.addAll()
    else if (this.#options.changed) await this.#addChanged(order)
    else order.addAll()
    await this.#move(order)
    await this.#destination.disk.flush()
    return this.#tree && (await this.#verify(this.#tree))
  }

  /** Reads both sides and asks for the blocks that differ. */
  async #addChanged(order: BlockOrder): Promise<void> {
    const { blockSize } = this.#options
    const meter = this.#meter('compare', this.source.size)
    await walkTogether(
      [this.source, this.#destination.disk],
      (offset, [ours, theirs], { kernels, pointer }) => {
        this.#tree?.update(offset / blockSize, ours!)
        for (let from = 0; from < ours!.length; from += blockSize) {
          const length = Math.min(blockSize, ours!.length - from)
          const other = pointer + (theirs!.byteOffset - ours!.byteOffset)
          if (!kernels.equal(pointer + from, other + from, length)) order.add((offset + from) / blockSize)
        }
      },
      { signal: this.#signal, stepBytes: Math.max(2 ** 20, blockSize), progress: (bytes) => meter.note(bytes) },
    )
  }

  async #move(order: BlockOrder): Promise<void> {
    const { blockSize, concurrency } = this.#options
    const { remote } = createDirtyTracker(this.source, blockSize)
    const blocks = order.available
    const meter = this.#meter('copy', Math.min(blocks * blockSize, this.source.size))
    const migrator = new Migrator(remote, this.#destination.disk, order, {
      blockSize,
      signal: this.#signal,
      freshDestination: this.#destination.fresh,
      ...(concurrency === undefined ? {} : { concurrency: { any: concurrency } }),
      blockHandler: (start, count, bytes) => {
        if (bytes) this.#tree?.update(start, bytes)
        else this.#tree?.updateZero(start, count)
      },
      progressHandler: ({ bytesMoved }) => meter.note(bytesMoved),
    })
    await migrator.migrate(blocks)
    await migrator.waitForCompletion()
    this.bytesCopied = migrator.bytesMoved
  }

  async #verify(tree: HashTree): Promise<string> {
    const meter = this.#meter('verify', this.source.size)
    const options = { blockSize: tree.blockSize, signal: this.#signal, progress: (bytes: number) => meter.note(bytes) }
    const stored = digestText(await rootHash(this.#destination.disk, options))
    const sent = digestText(tree.root())
    if (stored === sent) return sent
    throw new StorageError('VERIFY_FAILED', `the destination reads back as ${stored}, sent was ${sent}`)
  }

  #meter(phase: string, totalBytes: number): PhaseMeter {
    return new PhaseMeter(phase, totalBytes, (progress) => this.#output.progress(progress))
  }
}

function report(
  options: CopyOptions,
  run: CopyRun,
  root: string | undefined,
  durationMs: number,
  output: Output,
): void {
  const { size } = run.source
  const rate = `${formatSize((size / durationMs) * 1000)}/s`
  const copied = options.changed
    ? `${formatSize(run.bytesCopied)} of ${formatSize(size)} differed and were`
    : formatSize(size)
  output.result(
    {
      command: 'copy',
      from: addressText(options.from),
      to: addressText(options.to),
      size,
      bytesCopied: run.bytesCopied,
      durationMs: Math.round(durationMs),
      verified: root !== undefined,
      root: root ?? null,
    },
    [
      `${copied} copied to ${addressText(options.to)} in ${formatDuration(durationMs)} (${rate})`,
      root === undefined ? 'not verified' : `verified, root hash ${root}`,
    ],
  )
}
