import { afterAll, describe, expect, it } from 'vitest'
import { openConnection } from '../../../src/protocol/connection.ts'
import { connectPeers } from '../../../src/transports/pairing/connect-peers.ts'
import { createInvitation } from '../../../src/transports/pairing/invitation.ts'
import { manualSignalling } from '../../../src/transports/pairing/manual.ts'
import { meet } from '../../../src/transports/pairing/meet.ts'
import { startRendezvous } from '../../../src/transports/pairing/rendezvous-server.node.ts'
import type { Signalling } from '../../../src/transports/pairing/signalling.ts'
import { interceptPeers, meetAt, PeerConnection, signallingPair } from '../../support/peers.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const server = await startRendezvous({ host: '127.0.0.1', port: 0 })
const url = `ws://127.0.0.1:${server.port}/rendezvous`
afterAll(() => server.close())

async function connect(host: Signalling, guest: Signalling) {
  const [a, b] = await Promise.all([
    connectPeers({ signalling: host, as: 'host', RTCPeerConnection: PeerConnection }),
    connectPeers({ signalling: guest, as: 'guest', RTCPeerConnection: PeerConnection }),
  ])
  return { a, b }
}

describe('two sides that have met', () => {
  it('are connected by a rendezvous, prove their secret over one binding, and leave no room behind', async () => {
    const invitation = await createInvitation()
    let opened = () => {}
    const waiting = new Promise<void>((resolve) => (opened = resolve))
    const host = meetAt(url, invitation, 'host', () => opened())
    await waiting
    const guest = await meet([meetAt(url, invitation, 'guest')])
    const { a, b } = await connect(host, guest)
    expect(a.channel.binding).toHaveLength(32)
    expect(a.channel.binding).toEqual(b.channel.binding)
    const { secret } = invitation
    const [near, far] = await Promise.all([
      openConnection([a.channel], { role: 'listener', secret }),
      openConnection([b.channel], { role: 'dialer', secret }),
    ])
    await Promise.all([near.close(), far.close()])
    expect(await a.channel.ended).toBeUndefined()
    expect(server.rooms).toBe(0)
  })

  it('are connected by texts that somebody copies and pastes', async () => {
    const texts: Record<'host' | 'guest', (text: string) => void> = { host: () => {}, guest: () => {} }
    const host = manualSignalling((text) => texts.host(text))
    const guest = manualSignalling((text) => texts.guest(text))
    expect(() => host.paste('hello')).toThrow(/not the text/)
    texts.guest = (text) => host.paste(` ${text.slice(0, 50)}\n${text.slice(50)}\n`)
    texts.host = (text) => guest.paste(text)
    const { a, b } = await connect(host, guest)
    expect(a.channel.binding).toEqual(b.channel.binding)
    b.close()
    expect(await a.channel.ended).toMatchObject({ code: 'PEER_LOST' })
  })

  it('notice a rendezvous that puts itself between them', async () => {
    const [left, right] = [signallingPair(), signallingPair()]
    const [{ a, b }] = await Promise.all([
      connect(right.host, left.guest),
      interceptPeers({ toGuest: left.host, toHost: right.guest }),
    ])
    expect(a.channel.binding).not.toEqual(b.channel.binding)
    const { secret } = await createInvitation()
    const both = await Promise.allSettled([
      openConnection([a.channel], { role: 'listener', secret }),
      openConnection([b.channel], { role: 'dialer', secret }),
    ])
    expect(both.map((side) => side.status === 'rejected' && side.reason.code)).toEqual(['UNAUTHORIZED', 'UNAUTHORIZED'])
  })

  it('refuse a guest that knows the room and not the secret', async () => {
    const { host, guest } = signallingPair()
    const { a, b } = await connect(host, guest)
    const both = await Promise.allSettled([
      openConnection([a.channel], { role: 'listener', secret: (await createInvitation()).secret }),
      openConnection([b.channel], { role: 'dialer', secret: (await createInvitation()).secret }),
    ])
    expect(both.map((side) => side.status === 'rejected' && side.reason.code)).toEqual(['UNAUTHORIZED', 'UNAUTHORIZED'])
  })
})

describe('two sides that do not come together', () => {
  it.each(['', 'hello', '17', '{"type":"offer"}', '{"type":"answer","sdp":"v=0"}', '{"type":"offer","sdp":"x"}'])(
    'end with MALFORMED when the guest says %s',
    async (said) => {
      const { host, guest } = signallingPair()
      guest.send(said)
      const connecting = connectPeers({ signalling: host, as: 'host', RTCPeerConnection: PeerConnection })
      await expect(connecting).rejects.toMatchObject({ code: 'MALFORMED' })
    },
  )

  it('end with PEER_LOST when the other side does not answer', async () => {
    const { guest } = signallingPair()
    const clock = new VirtualClock()
    const connecting = connectPeers({ signalling: guest, as: 'guest', RTCPeerConnection: PeerConnection, clock })
    await expect(connecting).rejects.toMatchObject({ code: 'PEER_LOST' })
  })

  it('end with the reason when the way between them ends', async () => {
    const { host, guest } = signallingPair()
    const connecting = connectPeers({ signalling: guest, as: 'guest', RTCPeerConnection: PeerConnection })
    await host.next()
    guest.close()
    await expect(connecting).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('end with ABORTED when the caller gives up', async () => {
    const { guest } = signallingPair()
    const giveUp = new AbortController()
    const options = {
      signalling: guest,
      as: 'guest',
      RTCPeerConnection: PeerConnection,
      signal: giveUp.signal,
    } as const
    const connecting = connectPeers(options)
    giveUp.abort()
    await expect(connecting).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('end with NOT_SUPPORTED without WebRTC', async () => {
    const { guest } = signallingPair()
    await expect(connectPeers({ signalling: guest, as: 'guest' })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' })
  })
})
