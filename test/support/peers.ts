import { RTCPeerConnection as NodePeerConnection } from 'node-datachannel/polyfill'
import { WebSocket as NodeWebSocket } from 'ws'
import { connectPeers } from '../../src/transports/pairing/connect-peers.ts'
import type { Invitation } from '../../src/transports/pairing/invitation.ts'
import { rendezvousSignalling } from '../../src/transports/pairing/rendezvous-client.ts'
import { Mailbox, type Party, type Signalling } from '../../src/transports/pairing/signalling.ts'

/** WebRTC in Node, with the standard's face. */
export const PeerConnection = NodePeerConnection as unknown as typeof RTCPeerConnection

/** A way to a rendezvous from Node. */
export function meetAt(
  url: string,
  invitation: Invitation,
  as: Party,
  onWaiting?: (addresses: readonly string[]) => void,
): Signalling {
  const open = (address: string, protocol: string) => new NodeWebSocket(address, protocol) as unknown as WebSocket
  return rendezvousSignalling({ url, invitation, as, open, ...(onWaiting ? { onWaiting } : {}) })
}

/** Two ends of a way within one realm. */
export function signallingPair(): { host: Signalling; guest: Signalling } {
  const boxes = { host: new Mailbox(), guest: new Mailbox() }
  boxes.guest.meet()
  const end = (own: Party, other: Party): Signalling => ({
    met: boxes[own].met,
    next: () => boxes[own].next(),
    close: () => boxes[own].end(),
    send: (message) => {
      if (!boxes[own].isOpen) return
      boxes[other].put(message)
      boxes[other].meet()
    },
  })
  return { host: end('host', 'guest'), guest: end('guest', 'host') }
}

/**
 * What a hostile rendezvous could do: is a peer to each of the two by itself, with a certificate of its own, and carries their bytes back and
 * forth. `host` and `guest` are its ways to the two. Resolves when both are connected.
 */
export async function interceptPeers(ways: { toHost: Signalling; toGuest: Signalling }): Promise<void> {
  const [toGuest, toHost] = await Promise.all([
    connectPeers({ signalling: ways.toGuest, as: 'host', RTCPeerConnection: PeerConnection }),
    connectPeers({ signalling: ways.toHost, as: 'guest', RTCPeerConnection: PeerConnection }),
  ])
  toGuest.channel.receive((bytes) => toHost.channel.send([bytes]))
  toHost.channel.receive((bytes) => toGuest.channel.send([bytes]))
  void toGuest.channel.ended.then((reason) => toHost.channel.abort(reason))
  void toHost.channel.ended.then((reason) => toGuest.channel.abort(reason))
}
