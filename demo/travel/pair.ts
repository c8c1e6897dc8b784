import { errorCode } from '../../src/errors/storage-error.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { canTransferDataChannels } from '../../src/transports/data-channel-transfer.ts'
import { messagePortChannel } from '../../src/transports/message-port.ts'
import { broadcastSignalling } from '../../src/transports/pairing/broadcast-channel.ts'
import {
  type ConnectedPeers,
  type ConnectPeersOptions,
  connectDataChannel,
  connectPeers,
} from '../../src/transports/pairing/connect-peers.ts'
import type { Invitation } from '../../src/transports/pairing/invitation.ts'
import { CONNECT_MS, PASTE_MS } from '../../src/transports/pairing/limits.ts'
import type { ManualSignalling } from '../../src/transports/pairing/manual.ts'
import { meet } from '../../src/transports/pairing/meet.ts'
import { rendezvousSignalling } from '../../src/transports/pairing/rendezvous-client.ts'
import type { Party, Signalling } from '../../src/transports/pairing/signalling.ts'
import type { ToTraveller, WorkerLink } from './messages.ts'
import { rendezvousAddress } from './rendezvous-address.ts'

/** How two pages meet. */
export interface MeetingOptions {
  readonly invitation: Invitation
  readonly as: Party
  /** Texts carried by hand: for a host one way among others, for a guest instead of them. */
  readonly manual?: ManualSignalling
  readonly signal: AbortSignal
  /** The server is there; with the addresses it knows for this page. */
  readonly onWaiting?: (addresses: readonly string[]) => void
  /** The server is not there, or ended the wait; tabs of this browser still meet. */
  readonly onAlone?: (why: 'expired' | 'unreachable') => void
  /** The other side is there; now the two connect. */
  readonly onMet?: () => void
}

/** How two pages are brought together. */
export interface PairOptions extends MeetingOptions {
  /** Who speaks over the connection. */
  readonly worker: Worker
}

/** Two pages that are connected. */
export interface Pair {
  /** For the worker; a port in it is to be transferred. */
  readonly link: WorkerLink
  /** Cuts the connection, as when a cable is pulled. */
  pullThePlug(): void
}

/** What goes along with a link when it is posted. */
export function linkTransfer({ port }: WorkerLink): Transferable[] {
  return port ? [port] : []
}

/** A connection as the page holds it. */
interface Line {
  readonly link: Omit<WorkerLink, 'secret'>
  close(): void
}

/**
 * Meets the other side by whatever way there is and connects to it directly. The worker speaks over that connection: over the data channel
 * itself where the browser can hand it over, so that a busy page slows nothing down, else over a port to the page.
 */
export async function pair(options: PairOptions): Promise<Pair> {
  const { way, isMet } = await meetSomehow(options)
  const line = await (canTransferDataChannels() ? handOver(way, options.worker) : relayed(way))
  isMet()
  // A browser that closes a tab does not say goodbye by itself, and the other side would wait in vain for half a minute.
  addEventListener('pagehide', () => line.close(), { once: true })
  return { link: { ...line.link, secret: options.invitation.secret }, pullThePlug: () => line.close() }
}

/** As {@link pair}, for a page that speaks over the connection itself. Whoever is at the other end is still to prove the secret. */
export async function pairHere(options: MeetingOptions): Promise<ConnectedPeers> {
  const { way, isMet } = await meetSomehow(options)
  const peers = await connectPeers(way)
  isMet()
  addEventListener('pagehide', () => peers.close(), { once: true })
  return peers
}

/** Resolves when the other side is there. Texts carried by hand meet nobody before they connect, so their `onMet` comes with `isMet`. */
async function meetSomehow(options: MeetingOptions): Promise<{ way: ConnectPeersOptions; isMet: () => void }> {
  const { as, manual, signal, onMet } = options
  const isByHand = as === 'guest' && manual !== undefined
  const signalling = isByHand ? manual : await meet(waysToMeet(options), signal)
  if (!isByHand) onMet?.()
  const timeoutMs = isByHand || signalling === manual ? PASTE_MS : CONNECT_MS
  return { way: { signalling, as, signal, timeoutMs }, isMet: () => isByHand && onMet?.() }
}

/** The data channel goes to the worker, and nothing passes through the page. */
async function handOver(way: ConnectPeersOptions, worker: Worker): Promise<Line> {
  const { port1, port2 } = new MessageChannel()
  const { binding, maxMessageSize, close } = await connectDataChannel({
    ...way,
    hand: (dataChannel) => {
      const message: ToTraveller = { type: 'connect', dataChannel, isAnnounced: way.as === 'host', over: port2 }
      worker.postMessage(message, [dataChannel as unknown as Transferable, port2])
    },
  })
  port1.onmessage = close
  return { link: { binding, ...(maxMessageSize === undefined ? {} : { maxMessageSize }) }, close }
}

/** The channel stays in the page; its bytes are only passed on, never copied. */
async function relayed(way: ConnectPeersOptions): Promise<Line> {
  const peers = await connectPeers(way)
  const { port1, port2 } = new MessageChannel()
  relay(peers.channel, messagePortChannel(port1))
  return { link: { port: port2, binding: peers.channel.binding! }, close: () => peers.close() }
}

function waysToMeet({ invitation, as, manual, onWaiting, onAlone }: MeetingOptions): Signalling[] {
  const others = [broadcastSignalling({ invitation, as }), ...(manual ? [manual] : [])]
  const url = rendezvousAddress()
  if (!url) {
    onAlone?.('unreachable')
    return others
  }
  const rendezvous = rendezvousSignalling({ url, invitation, as, ...(onWaiting ? { onWaiting } : {}) })
  rendezvous.met.catch((error: unknown) => {
    const code = errorCode(error)
    if (code === 'OPEN_FAILED') onAlone?.('unreachable')
    else if (code === 'NOT_FOUND') onAlone?.('expired')
  })
  // The rendezvous first: of two reasons why nobody was met, its own is the better one.
  return [rendezvous, ...others]
}

/** Joins two channels end to end: what comes in here goes out there, as fast as it is taken, and each ends with the other. */
function relay(one: Channel, other: Channel): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.receive((bytes) => to.send([bytes]))
    void from.ended.then((reason) => (reason === undefined ? to.close() : to.abort(reason)))
  }
}
