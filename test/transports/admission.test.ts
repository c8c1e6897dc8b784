import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { errorCode } from '../../src/errors/storage-error.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import type { Admission } from '../../src/transports/doorstep.ts'
import { CONNECTIONS, STANDING_CONNECTIONS } from '../../src/transports/limits.ts'
import { connectTcp } from '../../src/transports/tcp-connect.node.ts'
import { type ChannelServer, listenTcp } from '../../src/transports/tcp-server.node.ts'
import { connectWebSocket } from '../../src/transports/websocket-client.node.ts'
import { listenWebSocket } from '../../src/transports/websocket-server.node.ts'
import { Arrivals } from './arrivals.ts'
import { selfSigned } from './self-signed.ts'

const PROTOCOLS = ['blockferry.1']
const certificate = selfSigned()
const tls = certificate ?? undefined
const ca = certificate?.cert ?? ''

interface Guest {
  readonly channel: Channel
  readonly admit: () => void
}
interface Transport {
  listen(
    onChannel: (channel: Channel, connection: { admit: () => void }) => void,
    how: Admission,
  ): Promise<ChannelServer>
  call(port: number): Promise<Channel>
}

const TRANSPORTS: Readonly<Record<string, Transport>> = {
  tcp: {
    listen: (onChannel, admission) => listenTcp({ onChannel, admission }),
    call: (port) => connectTcp({ host: '127.0.0.1', port }),
  },
  tls: {
    listen: (onChannel, admission) => listenTcp({ onChannel, admission, tls: { ...tls } }),
    call: (port) => connectTcp({ host: '127.0.0.1', port, tls: { ca } }),
  },
  ws: {
    listen: (onChannel, admission) => listenWebSocket({ onChannel, admission, protocols: PROTOCOLS }),
    call: async (port) => (await connectWebSocket(`ws://127.0.0.1:${port}/`, { protocols: PROTOCOLS })).channel,
  },
  wss: {
    listen: (onChannel, admission) => listenWebSocket({ onChannel, admission, protocols: PROTOCOLS, tls: { ...tls } }),
    call: async (port) => (await connectWebSocket(`wss://127.0.0.1:${port}/`, { protocols: PROTOCOLS, ca })).channel,
  },
}

/** Without openssl there is no certificate. */
const NAMES = Object.keys(TRANSPORTS).filter((name) => certificate || name === 'tcp' || name === 'ws')

const closers: (() => unknown)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function open(transport: Transport, admission: Admission) {
  const guests = new Arrivals<Guest>()
  const server = await transport.listen((channel, { admit }) => guests.add({ channel, admit }), admission)
  closers.push(server.close)
  const enter = async () => {
    const [near, far] = await Promise.all([transport.call(server.port), guests.next()])
    closers.push(() => near.abort(new Error('over')))
    return { near, far }
  }
  return { server, enter }
}

async function expectAlive({ near, far }: { near: Channel; far: Guest }): Promise<void> {
  const heard = new Promise<Uint8Array>((resolve) => near.receive(resolve))
  await far.channel.send([Uint8Array.of(7)])
  expect([...(await heard)]).toEqual([7])
}

/** Connects and says nothing; `gone` resolves when it was hung up on. */
async function idle(port: number): Promise<{ gone: Promise<void> }> {
  const socket = connect(port, '127.0.0.1')
  closers.push(() => socket.destroy())
  socket.resume().on('error', () => {})
  const gone = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  await once(socket, 'connect')
  return { gone }
}

describe.each(NAMES)('%s', (name) => {
  const transport = TRANSPORTS[name]!

  it('pushes out who has stood there longest without being let in, and nobody who was', async () => {
    const { enter } = await open(transport, 'by-owner')
    const inside = await enter()
    inside.far.admit()
    const waiting = []
    for (let index = 0; index <= STANDING_CONNECTIONS; index++) waiting.push(await enter())
    expect(errorCode(await waiting[0]!.far.channel.ended)).toBe('LIMIT_EXCEEDED')
    for (const each of [inside, waiting[1]!]) await expectAlive(each)
  })

  it('pushes out whoever sits there in silence before one that has spoken', async () => {
    const { server, enter } = await open(transport, 'by-owner')
    const slow = await enter()
    const heard = new Promise<Uint8Array>((resolve) => slow.far.channel.receive(resolve))
    await slow.near.send([Uint8Array.of(7)])
    await heard
    for (let index = 0; index < 2 * STANDING_CONNECTIONS; index++) await idle(server.port)
    await expectAlive(slow)
  })

  it('keeps all that come where nothing has to be proved', async () => {
    const { enter } = await open(transport, 'at-once')
    const all = []
    for (let index = 0; index <= STANDING_CONNECTIONS; index++) all.push(await enter())
    await expectAlive(all[0]!)
  })

  it('cuts those not let in when it closes', async () => {
    const { server, enter } = await open(transport, 'by-owner')
    const [inside, waiting] = [await enter(), await enter()]
    inside.far.admit()
    const { gone } = await idle(server.port)
    await server.close()
    expect(errorCode(await waiting.far.channel.ended)).toBe('LIMIT_EXCEEDED')
    await gone
    await expectAlive(inside)
  })
})

it.each(NAMES.filter((name) => name !== 'tcp'))(
  '%s takes a connection past many that never shake hands',
  async (name) => {
    const { server, enter } = await open(TRANSPORTS[name]!, 'at-once')
    const { gone } = await idle(server.port)
    for (let index = 0; index < CONNECTIONS; index++) await idle(server.port)
    await gone
    await enter()
  },
)
