import { describe, expect, it } from 'vitest'
import { connectPeers } from '../../../src/transports/pairing/connect-peers.ts'
import { FIRST_WORD_MS } from '../../../src/transports/pairing/limits.ts'
import { withoutCandidates } from '../../../src/transports/pairing/session-description.ts'
import type { Signalling } from '../../../src/transports/pairing/signalling.ts'
import { PeerConnection, signallingPair } from '../../support/peers.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

/** A peer connection that writes down what it is told of the other side's addresses. */
function noting() {
  const told = { descriptions: [] as string[], candidates: [] as string[] }
  class Noting extends PeerConnection {
    override setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
      told.descriptions.push(description.sdp ?? '')
      return super.setRemoteDescription(description)
    }

    override addIceCandidate(candidate?: RTCIceCandidateInit | null): Promise<void> {
      told.candidates.push(candidate?.candidate ?? '')
      return super.addIceCandidate(candidate)
    }
  }
  return { told, RTCPeerConnection: Noting }
}

/** A guest that is never told where its host is. */
function deafToAddresses(guest: Signalling): Signalling {
  return { ...guest, next: async () => (await guest.next()).replaceAll(/a=candidate:.*?\\r\\n/g, '') }
}

describe('a host that has answered', () => {
  it('lets its guest come, and knows no address of it', async () => {
    const { host, guest } = signallingPair()
    const { told, RTCPeerConnection } = noting()
    const [a, b] = await Promise.all([
      connectPeers({ signalling: host, as: 'host', RTCPeerConnection, clock: new VirtualClock({ automatic: false }) }),
      connectPeers({ signalling: guest, as: 'guest', RTCPeerConnection: PeerConnection }),
    ])
    expect(a.channel.binding).toEqual(b.channel.binding)
    expect(told.descriptions).toEqual([expect.stringMatching(/^a=ice-pwd:/m)])
    expect(told.descriptions[0]).not.toMatch(/candidate/)
    expect(told.candidates).toEqual([])
    a.close()
    b.close()
  })

  it('goes to meet a guest that has not come in time', async () => {
    const { host, guest } = signallingPair()
    const { told, RTCPeerConnection } = noting()
    const clock = new VirtualClock({ automatic: false })
    let answer = () => {}
    const answered = new Promise<void>((resolve) => (answer = resolve))
    const answering: Signalling = {
      ...host,
      send: (text) => {
        host.send(text)
        answer()
      },
    }
    const connecting = Promise.all([
      connectPeers({ signalling: answering, as: 'host', RTCPeerConnection, clock }),
      connectPeers({ signalling: deafToAddresses(guest), as: 'guest', RTCPeerConnection: PeerConnection }),
    ])
    await answered
    await clock.advance(FIRST_WORD_MS - 1)
    expect(told.candidates).toEqual([])
    await clock.advance(1)
    expect(told.candidates).not.toEqual([])
    const [a, b] = await connecting
    expect(a.channel.binding).toEqual(b.channel.binding)
    expect(told.candidates).toEqual(told.candidates.map(() => expect.stringMatching(/^candidate:.* typ host/)))
    a.close()
    b.close()
  })

  it('reads one offer of ten thousand, and ends with a code when nobody comes', async () => {
    const offering = signallingPair()
    const giveUp = new AbortController()
    const options = { RTCPeerConnection: PeerConnection, signal: giveUp.signal }
    const away = connectPeers({ signalling: offering.guest, as: 'guest', ...options })
    const offer = await offering.host.next()
    giveUp.abort()
    await expect(away).rejects.toMatchObject({ code: 'ABORTED' })

    const { host, guest } = signallingPair()
    const { told, RTCPeerConnection } = noting()
    for (let sent = 0; sent < 10_000; sent++) guest.send(offer)
    const flooded = connectPeers({ signalling: host, as: 'host', RTCPeerConnection, clock: new VirtualClock() })
    await expect(flooded).rejects.toMatchObject({ code: 'PEER_LOST' })
    expect(told.descriptions).toHaveLength(1)
  })

  it('does not stumble over addresses that it cannot read', async () => {
    const { host, guest } = signallingPair()
    const clock = new VirtualClock({ automatic: false })
    const shouting: Signalling = {
      ...guest,
      send: (text) => guest.send(text.replaceAll(/a=candidate:.*?\\r\\n/g, 'a=candidate:nonsense\\r\\n'.repeat(3))),
    }
    const [a, b] = await Promise.all([
      connectPeers({ signalling: host, as: 'host', RTCPeerConnection: PeerConnection, clock }),
      connectPeers({ signalling: shouting, as: 'guest', RTCPeerConnection: PeerConnection }),
    ])
    expect(a.channel.binding).toEqual(b.channel.binding)
    a.close()
    b.close()
  })
})

it.each(['\r\n', '\n'])('takes the addresses out of a description whose lines end in %j, and nothing else', (end) => {
  const lines = [
    'v=0',
    'a=ice-ufrag:x',
    'a=candidate:1 1 UDP 1 192.0.2.1 9 typ host',
    'a=end-of-candidates',
    'a=mid:0',
    '',
  ]
  expect(withoutCandidates({ type: 'offer', sdp: lines.join(end) })).toEqual({
    description: { type: 'offer', sdp: ['v=0', 'a=ice-ufrag:x', 'a=mid:0', ''].join(end) },
    candidates: [{ candidate: 'candidate:1 1 UDP 1 192.0.2.1 9 typ host', sdpMLineIndex: 0 }],
  })
})
