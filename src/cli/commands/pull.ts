import type { NbdAddress } from '../../adapters/nbd/server.node.ts'
import { systemClock } from '../../async/clock.ts'
import { combineErrors, StorageError } from '../../errors/storage-error.ts'
import { type DestinationFlags, planDestination } from '../destination-plan.ts'
import { DestinationSide } from '../destination-side.ts'
import { addressText, type DiskAddress } from '../disk-address.ts'
import { incomplete, remarked } from '../open-disk.ts'
import type { Output } from '../output.ts'
import { peerText } from '../peer-address.ts'
import { type LinkOptions, part } from '../peer-link.ts'
import { callingSupply, type PeerSupply, waitingSupply } from '../peer-supply.ts'

/** What `blockferry pull` was asked for. */
export interface PullOptions extends DestinationFlags {
  readonly link: LinkOptions
  /** Wait at the address for a `push` instead of calling a `serve`. */
  readonly listen: boolean
  readonly to: DiskAddress
  readonly nbd: NbdAddress | undefined
  /** Seconds that a lost peer is waited for. */
  readonly retry: number
}

/**
 * Takes a disk over from a peer while it is in use; clients read it here from the start and write it from the hand-over on. A lost link is made again
 * for a while; a pull that was killed goes on with `resume`. With a door to clients it goes on serving until interrupted.
 * @throws StorageError with the failure, once everything is closed
 */
export async function pull(options: PullOptions, output: Output, signal: AbortSignal): Promise<void> {
  const startedAt = systemClock.now()
  const { to, nbd, retry, link, listen } = options
  const isSilo = link.dialect === 'silo'
  if (isSilo && (options.resume || options.delta)) {
    throw new StorageError('NOT_SUPPORTED', 'dialect silo knows neither --resume nor --delta')
  }
  const plan = await planDestination(to, options)
  if (isSilo && plan.ownership)
    throw new StorageError('NOT_SUPPORTED', `"${addressText(to)}" has a journal, which dialect silo cannot keep`)
  const peers = listen ? await waitingSupply(link, output) : callingSupply(link)
  const side = new DestinationSide({ to, plan, nbd, retry }, isSilo, output)
  let failure: unknown
  try {
    const root = await side.receive(peers, signal)
    side.report(peerText(link.address), root, systemClock.now() - startedAt)
    const told = side.untilAcknowledged(peers, signal).then(() => peers.close())
    if (nbd) await side.serveAlone()
    await Promise.all([told, nbd ? interruption(signal) : undefined])
  } catch (error) {
    failure = await giveUp(error, { side, peers, signal, to })
  }
  await side.close().catch((error: unknown) => {
    failure = combineErrors(failure, error)
  })
  if (failure !== undefined) throw failure
}

/** Tells the peer, and says what is left here. */
async function giveUp(
  error: unknown,
  { side, peers, signal, to }: { side: DestinationSide; peers: PeerSupply; signal: AbortSignal; to: DiskAddress },
): Promise<unknown> {
  if (side.isWhole) return remarked(error, 'the disk was handed over before, and is whole here')
  const cause = signal.aborted ? new StorageError('ABORTED', 'interrupted', { cause: error }) : error
  side.refuse(cause)
  await peers.close()
  if (side.connection) await part(side.connection, cause)
  if (side.isOwner)
    return remarked(cause, 'the disk belongs to this side, and is not whole without the other: pull --resume')
  const isLeftBehind = side.hasPlace && to.kind === 'file'
  return isLeftBehind
    ? incomplete(cause, addressText(to), 'go on with pull --resume, or give it up with --discard')
    : cause
}

function interruption(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
  })
}
