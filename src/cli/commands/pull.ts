import type { NbdAddress } from '../../adapters/nbd/server.node.ts'
import { systemClock } from '../../async/clock.ts'
import { combineErrors, errorCode, errorMessage, StorageError } from '../../errors/storage-error.ts'
import type { Connection } from '../../protocol/connection.ts'
import { DestinationSide } from '../destination-side.ts'
import { addressText, type DiskAddress } from '../disk-address.ts'
import { incomplete, remarked } from '../open-disk.ts'
import type { Output } from '../output.ts'
import { peerText } from '../peer-address.ts'
import { awaitPeers, callPeer, type LinkOptions, part, within } from '../peer-link.ts'

/** What `blockferry pull` was asked for. */
export interface PullOptions {
  readonly link: LinkOptions
  /** Wait at the address for a `push` instead of calling a `serve`. */
  readonly listen: boolean
  readonly to: DiskAddress
  /** Write over a destination that exists. */
  readonly force: boolean
  readonly nbd: NbdAddress | undefined
}

/** A source that has handed over hangs up at once; one that speaks another dialect may not. */
const FAREWELL_MS = 5_000

/**
 * Takes a disk over from a peer while it is in use; clients read it here from the start and write it from the hand-over on. With a door to
 * them it goes on serving until interrupted.
 * @throws StorageError with the failure, once everything is closed: then the source keeps the disk
 */
export async function pull(options: PullOptions, output: Output, signal: AbortSignal): Promise<void> {
  const startedAt = systemClock.now()
  const connection = options.listen
    ? await firstCaller(options.link, output, signal)
    : await callPeer(options.link, signal)
  const side = new DestinationSide(options, connection, output)
  let failure: unknown
  try {
    const root = await side.receive(signal)
    side.report(peerText(options.link.address), root, systemClock.now() - startedAt)
    await within(connection.rw.ended, FAREWELL_MS)
    await part(connection)
    if (options.nbd) {
      await side.serveAlone()
      await interruption(signal)
    }
  } catch (error) {
    failure = await giveUp(error, side, options, connection, signal)
  }
  await side.close().catch((error: unknown) => {
    failure = combineErrors(failure, error)
  })
  if (failure !== undefined) throw failure
}

/** Tells the peer, and says what is left here. */
async function giveUp(
  error: unknown,
  side: DestinationSide,
  options: PullOptions,
  connection: Connection,
  signal: AbortSignal,
): Promise<unknown> {
  if (side.isOwner) return remarked(error, 'the disk was handed over before, and is whole here')
  const cause = signal.aborted ? new StorageError('ABORTED', 'interrupted', { cause: error }) : error
  side.refuse(cause)
  await part(connection, cause)
  const isLeftBehind = side.hasPlace && options.to.kind === 'file'
  return isLeftBehind ? incomplete(cause, addressText(options.to)) : cause
}

/** The first peer that proves itself; those who cannot are turned away, and those who come later find nobody. */
async function firstCaller(link: LinkOptions, output: Output, signal: AbortSignal): Promise<Connection> {
  let take: (connection: Connection) => void = () => {}
  let stop: (reason: unknown) => void = () => {}
  const first = new Promise<Connection>((resolve, reject) => {
    take = resolve
    stop = reject
  })
  first.catch(() => {}) // Awaited once somebody can come.
  let isTaken = false
  const interrupt = () => stop(new StorageError('ABORTED', 'interrupted', { cause: signal.reason }))
  signal.addEventListener('abort', interrupt, { once: true })
  if (signal.aborted) interrupt()
  const door = await awaitPeers(link, output, {
    welcome: (connection) => {
      if (isTaken || signal.aborted) {
        void part(connection, new StorageError('BUSY', 'somebody else is pushing a disk here'))
      } else take(connection)
      isTaken = true
    },
    refused: (error) => {
      const code = errorCode(error) ?? null
      const message = errorMessage(error)
      output.event('refused', { code, message }, `somebody was turned away: ${message}${code ? ` [${code}]` : ''}`)
    },
  })
  try {
    return await first
  } finally {
    signal.removeEventListener('abort', interrupt)
    await door.close()
  }
}

function interruption(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
  })
}
