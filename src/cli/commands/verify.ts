import { systemClock } from '../../async/clock.ts'
import { compareCopies, copyRuns, type DifferingRun } from '../../devices/compare-copies.ts'
import { type ComparableCopy, HashedCopy } from '../../devices/hashed-copy.ts'
import { openRemoteCopy } from '../../devices/remote-copy.ts'
import { combineErrors, StorageError } from '../../errors/storage-error.ts'
import { FEATURE } from '../../protocol/connection.ts'
import { FileStorage } from '../../sources/file.node.ts'
import { createBlockHasher } from '../../storage/block-hasher.ts'
import { addressText, type DiskAddress } from '../disk-address.ts'
import { refuseForeignDisk } from '../disk-claim.ts'
import { openSource, refuseSameFile } from '../open-disk.ts'
import type { Output } from '../output.ts'
import { type PeerAddress, peerText } from '../peer-address.ts'
import { callPeer, type LinkOptions, part } from '../peer-link.ts'
import { PhaseMeter } from '../phase-progress.ts'
import { formatDuration, formatSize } from '../sizes.ts'

/** What `blockferry verify` was asked for. */
export interface VerifyOptions {
  readonly a: DiskAddress | PeerAddress
  readonly b: DiskAddress | PeerAddress
  readonly link: Omit<LinkOptions, 'address'>
  readonly blockSize: number
  /** Copy what differs from a to b. */
  readonly repair: boolean
}

/** Runs of differing blocks that are listed one by one. */
const LISTED_RUNS = 16

/** Exit codes: as `cmp` has them. */
const [EQUAL, DIFFER, FAILED] = [0, 1, 2] as const

/** Compares two disks by hashes, and resolves with the exit code: 0 equal, 1 not equal, 2 it could not be told. */
export async function verify(options: VerifyOptions, output: Output, signal: AbortSignal): Promise<0 | 1 | 2> {
  try {
    return await compareBoth(options, output, signal)
  } catch (error) {
    output.failure(signal.aborted ? new StorageError('ABORTED', 'interrupted', { cause: error }) : error)
    return FAILED
  }
}

async function compareBoth(options: VerifyOptions, output: Output, signal: AbortSignal): Promise<0 | 1> {
  const { a, b, repair } = options
  if (a.kind !== 'peer' && b.kind !== 'peer') await refuseSameFile(a, b)
  if (repair && b.kind !== 'peer') await refuseForeignDisk(b)
  const ends: (() => Promise<void>)[] = []
  let failure: unknown
  let code: 0 | 1 = DIFFER
  try {
    // A peer says how large its blocks are, and a disk of this machine follows.
    const remote = await openPeers(options, signal, ends)
    const blockSize = remote.a?.blockSize ?? remote.b?.blockSize ?? options.blockSize
    const local = { blockSize, signal, ends }
    const left = remote.a ?? (await openLocal(a as DiskAddress, { ...local, isRepaired: false }))
    const right = remote.b ?? (await openLocal(b as DiskAddress, { ...local, isRepaired: repair }))
    code = await new Verification(options, left, right, output, signal).run()
  } catch (error) {
    failure = error
  }
  for (const end of ends) {
    await end().catch((error: unknown) => {
      failure = combineErrors(failure, error)
    })
  }
  if (failure !== undefined) throw failure
  return code
}

async function openPeers(
  { a, b, link }: VerifyOptions,
  signal: AbortSignal,
  ends: (() => Promise<void>)[],
): Promise<{ a: ComparableCopy | undefined; b: ComparableCopy | undefined }> {
  const peer = async (address: DiskAddress | PeerAddress) => {
    if (address.kind !== 'peer') return undefined
    const connection = await callPeer({ ...link, address }, signal, { required: FEATURE.compare })
    const stop = () => connection.rw.abort(new StorageError('ABORTED', 'interrupted'))
    signal.addEventListener('abort', stop, { once: true })
    ends.push(async () => {
      signal.removeEventListener('abort', stop)
      await part(connection)
    })
    return openRemoteCopy(connection)
  }
  return { a: await peer(a), b: await peer(b) }
}

async function openLocal(
  address: DiskAddress,
  options: { blockSize: number; isRepaired: boolean; signal: AbortSignal; ends: (() => Promise<void>)[] },
): Promise<ComparableCopy> {
  const { blockSize, isRepaired, signal, ends } = options
  const storage =
    isRepaired && address.kind === 'file' ? await FileStorage.open(address.path) : await openSource(address)
  ends.push(() => storage.close())
  return new HashedCopy(storage, { blockSize, hasher: await createBlockHasher(), signal })
}

class Verification {
  readonly #options: VerifyOptions
  readonly #a: ComparableCopy
  readonly #b: ComparableCopy
  readonly #output: Output
  readonly #signal: AbortSignal

  constructor(options: VerifyOptions, a: ComparableCopy, b: ComparableCopy, output: Output, signal: AbortSignal) {
    this.#options = options
    this.#a = a
    this.#b = b
    this.#output = output
    this.#signal = signal
  }

  async run(): Promise<0 | 1> {
    const startedAt = systemClock.now()
    const differing = await this.#compare('compare')
    let left = differing
    if (this.#options.repair && differing.length > 0) {
      await copyRuns(this.#a, this.#b, differing, this.#signal)
      left = await this.#compare('compare again')
    }
    this.#report(differing, left, systemClock.now() - startedAt)
    return left.length === 0 ? EQUAL : DIFFER
  }

  #compare(phase: string): Promise<DifferingRun[]> {
    const meter = new PhaseMeter(phase, this.#a.size, (progress) => this.#output.progress(progress))
    return compareCopies(this.#a, this.#b, { signal: this.#signal, progress: (bytes) => meter.note(bytes) })
  }

  #report(differing: readonly DifferingRun[], left: readonly DifferingRun[], durationMs: number): void {
    const { size, blockSize } = this.#a
    const [a, b] = [this.#options.a, this.#options.b].map(placeText) as [string, string]
    const count = (runs: readonly DifferingRun[]) => runs.reduce((sum, run) => sum + run.count, 0)
    const [blocks, blocksLeft] = [count(differing), count(left)]
    const isRepaired = this.#options.repair && blocks > 0
    const verdict =
      blocks === 0
        ? 'both are equal'
        : `${blocks} blocks of ${formatSize(blockSize)} differ${isRepaired ? `, ${blocks - blocksLeft} were repaired` : ''}`
    this.#output.result(
      {
        command: 'verify',
        a,
        b,
        size,
        blockSize,
        equal: blocksLeft === 0,
        differingBlocks: blocks,
        repairedBlocks: isRepaired ? blocks - blocksLeft : 0,
        runs: differing.slice(0, LISTED_RUNS).map(({ first, count }) => ({ offset: first * blockSize, blocks: count })),
        durationMs: Math.round(durationMs),
      },
      [
        `${a} and ${b}, ${formatSize(size)} in ${formatDuration(durationMs)}: ${verdict}`,
        ...differing
          .slice(0, LISTED_RUNS)
          .map(({ first, count }) => `  at ${first * blockSize}: ${count} ${count === 1 ? 'block' : 'blocks'}`),
        ...(differing.length > LISTED_RUNS ? [`  and ${differing.length - LISTED_RUNS} places more`] : []),
      ],
    )
  }
}

function placeText(place: DiskAddress | PeerAddress): string {
  return place.kind === 'peer' ? peerText(place) : addressText(place)
}
