import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/async/clock.ts'
import { errorCode } from '../../src/errors/storage-error.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { tcpChannel } from '../../src/transports/tcp.node.ts'
import { connectTcp } from '../../src/transports/tcp-connect.node.ts'
import { type ChannelServer, listenTcp } from '../../src/transports/tcp-server.node.ts'
import { type ChannelPair, channelConformance } from '../conformance/channel.ts'
import { Arrivals } from './arrivals.ts'
import { relayTo } from './relay.ts'
import { selfSigned } from './self-signed.ts'

const certificate = selfSigned()
const closers: (() => unknown)[] = []
afterAll(() => {
  for (const close of closers) close()
})

/** Pairs whose server end is a bare socket, so that it can be reset behind the channel's back. */
async function severablePairs(): Promise<() => Promise<ChannelPair>> {
  const sockets = new Arrivals<Socket>()
  const server = createServer(sockets.add)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => server.close())
  const { port } = server.address() as AddressInfo
  return async () => {
    const [a, socket] = await Promise.all([connectTcp({ host: '127.0.0.1', port }), sockets.next()])
    return { a, b: tcpChannel(socket), sever: () => socket.resetAndDestroy() }
  }
}

/** Pairs by both helpers, over TLS where asked for, with a relay between them that can cut them. */
async function listeningPairs(tls: boolean): Promise<{ server: ChannelServer; pair: () => Promise<ChannelPair> }> {
  const channels = new Arrivals<Channel>()
  const server = await listenTcp({ onChannel: channels.add, ...(tls && certificate ? { tls: certificate } : {}) })
  const relay = await relayTo(server.port)
  closers.push(server.close, relay.close)
  const secure = tls && certificate ? { tls: { ca: certificate.cert } } : {}
  const pair = async () => {
    const connected = connectTcp({ host: '127.0.0.1', port: relay.port, ...secure })
    const [a, b] = await Promise.all([connected, channels.next()])
    // The server's session tickets are still on their way; Node swallows the error when they meet a reset, and reports an orderly end.
    if (tls) await systemClock.sleep(10)
    return { a, b, sever: relay.cut }
  }
  return { server, pair }
}

describe('tcp', async () => {
  for (const { name, run } of channelConformance(await severablePairs())) it(name, run)
})

/** The channel with a `receive` that goes through `receiveInto`: rooms of some size, and a copy of what came in them. */
function readDirectly(channel: Channel): Channel {
  if (!channel.receiveInto) throw new Error('the channel cannot read into memory of its receiver')
  const receiveInto = channel.receiveInto.bind(channel)
  const receive: Channel['receive'] = (handler) => {
    let turn = 0
    let room = new Uint8Array(0)
    receiveInto({
      room: () => {
        room = new Uint8Array([100_000, 1, 4096][turn++ % 3]!)
        return room
      },
      filled: (bytes) => handler(room.slice(0, bytes)),
    })
  }
  const { kind, ended } = channel
  const send: Channel['send'] = (parts) => channel.send(parts)
  return { kind, ended, send, receive, close: () => channel.close(), abort: (reason) => channel.abort(reason) }
}

describe('tcp that reads into memory of the receiver', async () => {
  const { pair } = await listeningPairs(false)
  const directPair = async () => {
    const { a, b, ...link } = await pair()
    return { a: readDirectly(a), b: readDirectly(b), ...link }
  }
  for (const { name, run } of channelConformance(directPair)) it(name, run)

  it.each(['receive', 'receiveInto'] as const)('brings what came before %s was called', async (how) => {
    const { a, b } = await pair()
    await a.send([Uint8Array.of(1, 2, 3)])
    await systemClock.sleep(20)
    const channel = how === 'receive' ? b : readDirectly(b)
    const heard: number[] = []
    channel.receive((bytes) => void heard.push(...bytes))
    await a.send([Uint8Array.of(4, 5)])
    await a.close()
    expect(heard).toEqual([1, 2, 3, 4, 5])
    expect(await b.ended).toBeUndefined()
  })

  it('notices a peer that has gone before there is a receiver', async () => {
    const { a, b } = await pair()
    a.abort(new Error('over'))
    expect(errorCode(await b.ended)).toBe('PEER_LOST')
  })

  it('takes one receiver only', async () => {
    const { a, b } = await pair()
    b.receive(() => {})
    expect(() => b.receiveInto!({ room: () => new Uint8Array(1), filled: () => {} })).toThrow(TypeError)
    for (const channel of [a, b]) channel.abort(new Error('over'))
  })
})

describe.skipIf(!certificate)('tls', async () => {
  const { pair } = await listeningPairs(true)
  for (const { name, run } of channelConformance(pair)) it(name, run)

  it('binds to the session: the same 32 bytes at both ends, others in the next session', async () => {
    const [first, second] = [await pair(), await pair()]
    expect(first.a.binding).toHaveLength(32)
    expect(first.a.binding).toEqual(first.b.binding)
    expect(second.a.binding).not.toEqual(first.a.binding)
    for (const { a } of [first, second]) a.abort(new Error('over'))
  })

  it('has no binding before TLS 1.3', async () => {
    const sockets = new Arrivals<Socket>()
    const server = createTlsServer({ ...certificate, maxVersion: 'TLSv1.2' }, sockets.add)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const channel = await connectTcp({ host: '127.0.0.1', port, tls: { ca: certificate!.cert } })
    expect(channel.binding).toBeUndefined()
    channel.abort(new Error('over'))
    await server.close()
  })

  it('refuses a certificate nobody vouches for', async () => {
    const { server } = await listeningPairs(true)
    const error = await connectTcp({ host: '127.0.0.1', port: server.port, tls: {} }).catch((error) => error)
    expect(errorCode(error)).toBe('OPEN_FAILED')
    expect(String(error.cause)).toMatch(/self-signed/)
  })
})

describe('connecting', () => {
  it('says why it failed', async () => {
    const { server } = await listeningPairs(false)
    server.close()
    const error = await connectTcp({ host: '127.0.0.1', port: server.port }).catch((error) => error)
    expect(errorCode(error)).toBe('OPEN_FAILED')
    expect(error.cause.code).toBe('ECONNREFUSED')
  })

  it('can be aborted before and while it goes on', async () => {
    const { server } = await listeningPairs(false)
    const stop = new AbortController()
    const connecting = connectTcp({ host: '127.0.0.1', port: server.port, signal: stop.signal })
    stop.abort()
    expect(errorCode(await connecting.catch((error) => error))).toBe('ABORTED')
    const again = connectTcp({ host: '127.0.0.1', port: server.port, signal: stop.signal })
    expect(errorCode(await again.catch((error) => error))).toBe('ABORTED')
  })

  it('gives up on a server that does not shake hands', async () => {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const error = await connectTcp({ host: '127.0.0.1', port, tls: {}, timeoutMs: 50 }).catch((error) => error)
    expect(errorCode(error)).toBe('OPEN_FAILED')
    await server.close()
  })
})

describe('listening', () => {
  it('says that an address is taken', async () => {
    const { server } = await listeningPairs(false)
    const error = await listenTcp({ port: server.port, onChannel: () => {} }).catch((error) => error)
    expect(errorCode(error)).toBe('OPEN_FAILED')
  })

  it('drops connections beyond its limit and takes others once there is room', async () => {
    const channels = new Arrivals<Channel>()
    const server = await listenTcp({ maxConnections: 2, onChannel: channels.add })
    const address = { host: '127.0.0.1', port: server.port }
    const first = await connectTcp(address)
    const second = await connectTcp(address)
    await channels.next()
    await channels.next()
    const third = await connectTcp(address)
    third.receive(() => {})
    await third.ended
    first.abort(new Error('over'))
    await systemClock.sleep(50)
    const fourth = await connectTcp(address)
    await channels.next()
    for (const channel of [second, fourth]) channel.abort(new Error('over'))
    await server.close()
  })
})

describe('a peer that is not ours', () => {
  it('sends bytes and a FIN: all arrives, and both ends close in order', async () => {
    const channels = new Arrivals<Channel>()
    const server = await listenTcp({ onChannel: channels.add })
    const socket = connect(server.port, '127.0.0.1')
    socket.end('abc')
    const channel = await channels.next()
    const heard: string[] = []
    channel.receive((bytes) => void heard.push(Buffer.from(bytes).toString()))
    expect(await channel.ended).toBeUndefined()
    expect(heard.join('')).toBe('abc')
    await server.close()
  })

  it('closes while we still send: what was sent arrives, then both are closed', async () => {
    const channels = new Arrivals<Channel>()
    const server = await listenTcp({ onChannel: channels.add })
    const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
    let count = 0
    socket.on('data', (bytes) => {
      count += bytes.length
    })
    const channel = await channels.next()
    channel.receive(() => {})
    const sent = channel.send([new Uint8Array(8 * 2 ** 20)])
    socket.end()
    await sent
    await channel.ended
    await once(socket, 'end')
    expect(count).toBe(8 * 2 ** 20)
    await server.close()
  })
})
