import { afterAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/async/clock.ts'
import { errorCode } from '../../src/errors/storage-error.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { canTransferDataChannels } from '../../src/transports/data-channel-transfer.ts'
import { dataChannelChannel } from '../../src/transports/webrtc.ts'
import { webRtcBinding } from '../../src/transports/webrtc-binding.ts'
import { type ChannelPair, channelConformance } from '../conformance/channel.ts'

/** Its binary comes as a package per platform; there are platforms without one. */
const library = await import('node-datachannel/polyfill').catch((error: unknown) => {
  console.warn(`SKIPPED: WebRTC in Node, since node-datachannel did not load: ${String(error)}`)
  return undefined
})

const peers: RTCPeerConnection[] = []
afterAll(() => {
  for (const peer of peers) peer.close()
})

function newPeer(): RTCPeerConnection {
  const peer = new library!.RTCPeerConnection({ iceServers: [] }) as RTCPeerConnection
  peers.push(peer)
  return peer
}

interface ConnectedPair extends ChannelPair {
  readonly near: RTCPeerConnection
  readonly far: RTCPeerConnection
}

/**
 * Two peers in this process, connected, with a data channel between them. Of two peers of libdatachannel on a busy machine one now and then
 * refuses the other's description ("Got a remote candidate without ICE transport"), or they do not find each other: then two others try.
 */
async function connectedPair(): Promise<ConnectedPair> {
  for (let attempt = 1; ; attempt++) {
    const [near, far] = [newPeer(), newPeer()]
    const late = new AbortController()
    const tooLate = systemClock.sleep(2500, late.signal).then(() => Promise.reject(new Error('not connected in time')))
    try {
      return await Promise.race([connect(near, far), tooLate])
    } catch (error) {
      if (attempt === 5) throw error
      near.close()
      far.close()
    } finally {
      late.abort()
      tooLate.catch(() => {})
    }
  }
}

async function connect(near: RTCPeerConnection, far: RTCPeerConnection): Promise<ConnectedPair> {
  const arrived = new Promise<ChannelPair['b']>((resolve) => {
    far.ondatachannel = ({ channel }) =>
      resolve(dataChannelChannel(channel, { maxMessageSize: () => far.sctp?.maxMessageSize }))
  })
  const a = dataChannelChannel(near.createDataChannel('disk'), { maxMessageSize: () => near.sctp?.maxMessageSize })
  await near.setLocalDescription(await near.createOffer())
  await gathered(near)
  await far.setRemoteDescription(near.localDescription!)
  await far.setLocalDescription(await far.createAnswer())
  await gathered(far)
  await near.setRemoteDescription(far.localDescription!)
  return { a, b: await arrived, sever: () => far.close(), near, far }
}

/** Waits until the description holds all candidates. */
async function gathered(peer: RTCPeerConnection): Promise<void> {
  while (peer.iceGatheringState !== 'complete') {
    await new Promise((resolve) => peer.addEventListener('icegatheringstatechange', resolve, { once: true }))
  }
}

describe.skipIf(!library)('webrtc, node-datachannel', () => {
  for (const { name, run } of channelConformance(connectedPair)) it(name, run)

  it('binds to both certificates', async () => {
    const { a, near, far } = await connectedPair()
    const sdp = (peer: RTCPeerConnection) => ({
      local: peer.localDescription!.sdp,
      remote: peer.remoteDescription!.sdp,
    })
    const binding = await webRtcBinding(sdp(near))
    expect(binding).toHaveLength(32)
    expect(await webRtcBinding(sdp(far))).toEqual(binding)
    a.abort(new Error('over'))
  })
})

/** A data channel whose other side is the test. */
class FakeDataChannel extends EventTarget {
  readyState = 'open'
  binaryType = ''
  bufferedAmount = 0
  bufferedAmountLowThreshold = 0
  readonly sent: (string | number)[] = []

  send(data: string | Uint8Array): void {
    this.sent.push(typeof data === 'string' ? data : data.length)
    if (typeof data !== 'string') this.bufferedAmount += data.length
  }

  close(): void {
    this.readyState = 'closed'
  }

  hear(data: string | ArrayBuffer): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data }))
  }
}

/** One of two joined data channels. Until it carries, what is sent vanishes, as in Chromium, whatever `readyState` says. */
class JoinedDataChannel extends FakeDataChannel {
  carries = true
  peer: JoinedDataChannel | undefined

  override send(data: string | Uint8Array): void {
    this.sent.push(typeof data === 'string' ? data : data.length)
    if (!this.carries) return
    const message = typeof data === 'string' ? data : data.slice().buffer
    queueMicrotask(() => this.peer!.hear(message as string | ArrayBuffer))
  }

  open(): void {
    this.readyState = 'open'
    this.dispatchEvent(new Event('open'))
  }
}

describe('messages of a data channel', () => {
  const KiB = 1024
  const pair = (maxMessageSize?: number | (() => number | undefined)) => {
    const fake = new FakeDataChannel()
    const options = maxMessageSize === undefined ? {} : { maxMessageSize }
    const channel = dataChannelChannel(fake as unknown as RTCDataChannel, options)
    fake.hear('+8388608')
    const messages = () => fake.sent.filter((message) => typeof message === 'number')
    return { fake, channel, messages }
  }

  it.each([
    ['a peer that does not say', undefined, 16 * KiB],
    ['a peer that takes little', 16 * KiB, 16 * KiB],
    ['a peer that takes much', 256 * KiB, 64 * KiB],
    ['a peer without a limit', Number.POSITIVE_INFINITY, 64 * KiB],
    ['a peer whose zero means without a limit', 0, 64 * KiB],
  ])('are as large as fits %s', async (_, maxMessageSize, largest) => {
    const { channel, messages } = pair(maxMessageSize)
    await channel.send([new Uint8Array(200_000)])
    expect(Math.max(...messages())).toBe(largest)
  })

  it('grow once the size is known', async () => {
    let size: number | undefined
    const { channel, messages } = pair(() => size)
    await channel.send([new Uint8Array(20_000)])
    size = 256 * KiB
    await channel.send([new Uint8Array(100), new Uint8Array(100_000)])
    expect(messages()).toEqual([16 * KiB, 20_000 - 16 * KiB, 64 * KiB, 100_100 - 64 * KiB])
  })

  it('wait while a mebibyte is unsent, and go on by the event or by a credit', async () => {
    const { fake, channel, messages } = pair(256 * KiB)
    const sending = channel.send([new Uint8Array(4 * 2 ** 20)])
    expect(fake.bufferedAmount).toBe(2 ** 20)
    expect(messages()).toHaveLength(16)
    fake.bufferedAmount = 2 ** 19
    fake.dispatchEvent(new Event('bufferedamountlow'))
    expect(fake.bufferedAmount).toBe(2 ** 20)
    // The event stays away.
    fake.bufferedAmount = 0
    fake.hear('+70000')
    expect(fake.bufferedAmount).toBe(2 ** 20)
    fake.bufferedAmount = -(2 ** 24)
    fake.hear('+70000')
    await sending
  })

  it('end the channel when the platform refuses one', async () => {
    const { fake, channel } = pair()
    fake.send = () => {
      throw new Error('the buffer is full')
    }
    const error = await channel.send([new Uint8Array(10)]).catch((error) => error)
    expect(errorCode(error)).toBe('PEER_LOST')
    expect(errorCode(await channel.ended)).toBe('PEER_LOST')
  })
})

describe('a data channel that opens', () => {
  const join = () => {
    const [near, far] = [new JoinedDataChannel(), new JoinedDataChannel()]
    near.peer = far
    far.peer = near
    return { near, far }
  }
  const channelOf = (fake: JoinedDataChannel) => dataChannelChannel(fake as unknown as RTCDataChannel)
  /** As two Chromium tabs do it: the offering side opens, the other is told so before its end carries. */
  const announce = () => {
    const { near, far } = join()
    near.readyState = 'connecting'
    const a = channelOf(near)
    far.carries = false
    const b = channelOf(far)
    far.open()
    const carry = () => {
      far.carries = true
      near.open()
    }
    return { near, far, a, b, carry }
  }
  const cross = async (from: Channel, to: Channel) => {
    const arrived = new Promise<number>((resolve) => to.receive((bytes) => resolve(bytes.length)))
    await from.send([new Uint8Array(1000)])
    expect(await arrived).toBe(1000)
  }

  it('gives its first credit only once it has heard something, since what it sends before may vanish', async () => {
    const { far, a, b, carry } = announce()
    expect(far.sent).toEqual(['here'])
    carry()
    await cross(a, b)
    await cross(b, a)
    expect(far.sent).toEqual(['here', '+2097152', 1000])
  })

  it('can be closed before it carries', async () => {
    const { a, b, carry } = announce()
    const closing = b.close()
    carry()
    await closing
    expect(await a.ended).toBeUndefined()
  })

  it('sends nothing while it hears but is not open yet, as in a worker that was handed one', async () => {
    const { near } = join()
    near.readyState = 'connecting'
    near.peer = new JoinedDataChannel()
    const sending = channelOf(near).send([new Uint8Array(1000)])
    near.hear('+8388608')
    expect(near.sent).toEqual([])
    near.open()
    expect(near.sent).toEqual(['+2097152', 1000])
    await sending
  })

  it('finds a peer whose data channel was open as well', async () => {
    const { near, far } = join()
    const [a, b] = [channelOf(near), channelOf(far)]
    await cross(a, b)
    await cross(b, a)
  })

  it('finds a peer that vanishing greetings did not reach', async () => {
    const { near, far } = join()
    far.carries = false
    const b = channelOf(far)
    far.carries = true
    const a = channelOf(near)
    await cross(a, b)
    await cross(b, a)
  })

  it('is lost when it cannot be used', async () => {
    const { near } = join()
    near.send = () => {
      throw new Error('not open after all')
    }
    expect(errorCode(await channelOf(near).ended)).toBe('PEER_LOST')
  })
})

describe('the binding', () => {
  const fingerprint = (value: string) => `a=fingerprint:sha-256 ${value}\r\n`
  const digest = async (bytes: Uint8Array) => bytes

  it('takes each fingerprint once, whatever its case and place', async () => {
    const left = await webRtcBinding({ local: fingerprint('AA:01'), remote: fingerprint('BB:02') }, digest)
    const twice = `v=0\r\n${fingerprint('bb:02')}m=application\r\n${fingerprint('BB:02').replace('sha', 'SHA')}`
    expect(await webRtcBinding({ local: twice, remote: fingerprint('aa:01') }, digest)).toEqual(left)
    const added = fingerprint('BB:02') + fingerprint('CC:03')
    expect(await webRtcBinding({ local: fingerprint('AA:01'), remote: added }, digest)).not.toEqual(left)
  })

  it('refuses a description without one', async () => {
    const error = await webRtcBinding({ local: 'v=0', remote: fingerprint('AA:01') }).catch((error) => error)
    expect(errorCode(error)).toBe('MALFORMED')
  })
})

it('knows that Node has no data channels to transfer', () => {
  expect(canTransferDataChannels()).toBe(false)
})
