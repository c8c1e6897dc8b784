import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import { WebSocket as NodeWebSocket } from 'ws'
import { errorCode } from '../../src/errors/storage-error.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { WEBSOCKET_MESSAGE_BYTES } from '../../src/transports/limits.ts'
import { webSocketChannel } from '../../src/transports/websocket.ts'
import { connectWebSocket } from '../../src/transports/websocket-client.node.ts'
import { type ListenWebSocketOptions, listenWebSocket } from '../../src/transports/websocket-server.node.ts'
import { type ChannelPair, channelConformance } from '../conformance/channel.ts'
import { Arrivals } from './arrivals.ts'
import { relayTo } from './relay.ts'
import { selfSigned } from './self-signed.ts'

const PROTOCOLS = ['blockferry.1']
const certificate = selfSigned()
const closers: (() => unknown)[] = []
afterAll(() => {
  for (const close of closers) close()
})

/** A server on any port, and the channels it takes. */
async function listen(options: Partial<ListenWebSocketOptions> = {}) {
  const channels = new Arrivals<Channel>()
  const server = await listenWebSocket({ protocols: PROTOCOLS, onChannel: channels.add, ...options })
  closers.push(server.close)
  return { channels, server, url: `ws://127.0.0.1:${server.port}/` }
}

/** Pairs with a relay between them that can cut them. */
async function pairs() {
  const { channels, server } = await listen()
  const relay = await relayTo(server.port)
  closers.push(relay.close)
  return async () => {
    const { channel } = await connectWebSocket(`ws://127.0.0.1:${relay.port}/`, { protocols: PROTOCOLS })
    return { client: channel, server: await channels.next(), sever: relay.cut }
  }
}

describe('websocket, Node to Node', async () => {
  const connect = await pairs()
  const pair = async (): Promise<ChannelPair> => {
    const { client, server, sever } = await connect()
    return { a: client, b: server, sever }
  }
  for (const { name, run } of channelConformance(pair)) it(name, run)
})

/** What a browser shows of a socket; the network takes what it was given when `drain` is called. */
class BrowserSocket extends EventTarget {
  readonly OPEN = 1
  readonly readyState = 1
  bufferedAmount = 0
  messages = 0

  send(message: Uint8Array | string): void {
    if (typeof message === 'string') return
    this.messages++
    this.bufferedAmount += message.byteLength
  }

  close(): void {}

  hear(data: string): void {
    this.dispatchEvent(new MessageEvent('message', { data }))
  }
}

it('more and more messages are on their way from a browser, which hears of room only by the credit for one of them', () => {
  const socket = new BrowserSocket()
  const channel = webSocketChannel(socket as unknown as WebSocket)
  channel.send([new Uint8Array(32 * WEBSOCKET_MESSAGE_BYTES)]).catch(() => {})
  socket.hear(`+${16 * WEBSOCKET_MESSAGE_BYTES}`)
  expect(socket.messages).toBeGreaterThan(1)
  for (let way = socket.messages; way < 8; way = socket.messages) {
    socket.bufferedAmount = 0
    socket.hear(`+${WEBSOCKET_MESSAGE_BYTES}`)
    expect(socket.messages).toBeGreaterThan(way + 1)
  }
  channel.abort(new Error('over'))
})

describe('websocket, server to client', async () => {
  const connect = await pairs()
  const pair = async (): Promise<ChannelPair> => {
    const { client, server, sever } = await connect()
    return { a: server, b: client, sever }
  }
  for (const { name, run } of channelConformance(pair)) it(name, run)
})

describe('opening', () => {
  it('agrees on the first subprotocol of the server that the client offers', async () => {
    const { channels, url } = await listen({ protocols: ['blockferry.2', 'blockferry.1'] })
    const { channel, protocol } = await connectWebSocket(url, { protocols: ['blockferry.1', 'silo'] })
    expect(protocol).toBe('blockferry.1')
    channel.abort(new Error('over'))
    await (await channels.next()).ended
  })

  it.each([
    ['another path', '400|404', { path: '/ferry' }, {}],
    ['no common subprotocol', '400', { protocols: ['other'] }, {}],
    ['an origin that is not welcome', '403', {}, { origin: 'https://evil.example' }],
    ['one connection too many', '503', { maxConnections: 0 }, {}],
  ] as const)('is refused for %s', async (_, status, options, client) => {
    const { url } = await listen(options)
    const socket = new NodeWebSocket(url, PROTOCOLS, client)
    const [error] = (await once(socket, 'error')) as [Error]
    expect(error.message).toMatch(new RegExp(status))
  })

  it('says with which answer it was refused', async () => {
    const { url } = await listen({ maxConnections: 0 })
    const error = await connectWebSocket(url, { protocols: PROTOCOLS }).catch((error) => error)
    expect(errorCode(error)).toBe('OPEN_FAILED')
    expect(String(error.cause.cause)).toMatch(/503/)
  })

  it('welcomes pages of the origins named, and any where so said', async () => {
    for (const origins of [['https://good.example'], 'any'] as const) {
      const { channels, url } = await listen({ origins })
      const socket = new NodeWebSocket(url, PROTOCOLS, { origin: 'https://good.example' })
      await once(socket, 'open')
      await channels.next()
      socket.terminate()
    }
  })

  it('welcomes pages of its own address', async () => {
    const { channels, url } = await listen()
    const socket = new NodeWebSocket(url, PROTOCOLS, { origin: url.replace('ws:', 'http:').slice(0, -1) })
    await once(socket, 'open')
    await channels.next()
    socket.terminate()
    const sandboxed = new NodeWebSocket(url, PROTOCOLS, { origin: 'null' })
    await once(sandboxed, 'error')
  })

  it('can be aborted', async () => {
    const { url } = await listen()
    const stop = new AbortController()
    const opening = connectWebSocket(url, { protocols: PROTOCOLS, signal: stop.signal })
    stop.abort()
    expect(errorCode(await opening.catch((error) => error))).toBe('ABORTED')
  })

  it('gives up on a server that does not answer', async () => {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closers.push(() => server.close())
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const error = await connectWebSocket(url, { protocols: PROTOCOLS, timeoutMs: 50 }).catch((error) => error)
    expect(errorCode(error)).toBe('OPEN_FAILED')
  })

  it('says that an address is taken', async () => {
    const { server } = await listen()
    const error = await listen({ port: server.port }).catch((error) => error)
    expect(errorCode(error)).toBe('OPEN_FAILED')
  })
})

describe('a given server', () => {
  it('keeps its own paths and pages', async () => {
    const server = createHttpServer((_, response) => response.end('a page'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closers.push(() => server.close())
    const { port } = server.address() as AddressInfo
    const { channels } = await listen({ server, path: '/ferry' })
    const { channel } = await connectWebSocket(`ws://127.0.0.1:${port}/ferry?room=1`, { protocols: PROTOCOLS })
    await channels.next()
    channel.abort(new Error('over'))
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('a page')
  })

  it.skipIf(!certificate)('brings its TLS, or our own has it', async () => {
    const given = createHttpsServer(certificate!)
    given.listen(0, '127.0.0.1')
    await once(given, 'listening')
    closers.push(() => given.close())
    await tryTls(await listen({ server: given }), (given.address() as AddressInfo).port)
    const own = await listen({ tls: certificate! })
    await tryTls(own, own.server.port)
  })

  async function tryTls({ channels }: { channels: Arrivals<Channel> }, port: number): Promise<void> {
    const url = `wss://127.0.0.1:${port}/`
    const { channel } = await connectWebSocket(url, { protocols: PROTOCOLS, ca: certificate!.cert })
    const other = await channels.next()
    for (const each of [channel, other]) each.receive(() => {})
    await channel.close()
    expect(await other.ended).toBeUndefined()
    const untrusted = await connectWebSocket(url, { protocols: PROTOCOLS }).catch((error) => error)
    expect(errorCode(untrusted)).toBe('OPEN_FAILED')
  }
})

describe('a peer that breaks the rules', () => {
  /** A bare client at a server of ours. */
  async function bare() {
    const { channels, url } = await listen()
    const socket = new NodeWebSocket(url, PROTOCOLS)
    await once(socket, 'open')
    return { socket, channel: await channels.next() }
  }

  it.each([
    ['text that is none of ours', 'hello', 'MALFORMED'],
    ['credit of nothing', '+0', 'MALFORMED'],
    ['credit without end', '+99999999999', 'MALFORMED'],
    ['a confirmation of what did not end', 'done', 'MALFORMED'],
    ['a farewell too early', 'bye', 'MALFORMED'],
    ['an empty message', new Uint8Array(0), 'MALFORMED'],
    ['a message over the limit', new Uint8Array(WEBSOCKET_MESSAGE_BYTES + 1), 'PEER_LOST'],
    ['text over the limit', 'x'.repeat(WEBSOCKET_MESSAGE_BYTES + 1), 'PEER_LOST'],
  ])('ends for %s', async (_, message, code) => {
    const { socket, channel } = await bare()
    socket.send(message)
    expect(errorCode(await channel.ended)).toBe(code)
    socket.terminate()
  })

  it('ends for bytes after the end', async () => {
    const { socket, channel } = await bare()
    channel.receive(() => new Promise(() => {}))
    socket.send(new Uint8Array(10))
    socket.send('end')
    socket.send(new Uint8Array(10))
    expect(errorCode(await channel.ended)).toBe('MALFORMED')
    socket.terminate()
  })

  it.each([
    ['large', 256 * 1024, 8],
    ['tiny', 1, (2 * 2 ** 20) / 257],
  ])('ends for more %s messages than it may send, with a window of them at most in memory', async (_, size, count) => {
    const { socket, channel } = await bare()
    channel.receive(() => new Promise(() => {}))
    for (let index = 0; index <= count; index++) socket.send(new Uint8Array(size))
    expect(errorCode(await channel.ended)).toBe('LIMIT_EXCEEDED')
    socket.terminate()
  })
})
