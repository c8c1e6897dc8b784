import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import {
  ATTEMPTS,
  ATTEMPTS_MS,
  CONNECTIONS_PER_ADDRESS,
  JOIN_MS,
  MESSAGE_BYTES,
  MESSAGES,
  ROOM_MS,
} from '../../../src/transports/pairing/limits.ts'
import {
  CLOSE_CODE,
  RENDEZVOUS_PATH,
  RENDEZVOUS_PROTOCOL,
} from '../../../src/transports/pairing/rendezvous-messages.ts'
import {
  type RendezvousServer,
  type RendezvousServerOptions,
  startRendezvous,
} from '../../../src/transports/pairing/rendezvous-server.node.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { connectRaw } from './connect-raw.ts'

const ROOM = 'AAAAAAAAAAAAAAAAAAAAAA'
let clock: VirtualClock
let server: RendezvousServer
const clients: WebSocket[] = []

beforeEach(async () => {
  clock = new VirtualClock({ automatic: false })
  server = await start()
})

function start(limits: Pick<RendezvousServerOptions, 'mostRooms' | 'mostAddresses'> = {}): Promise<RendezvousServer> {
  return startRendezvous({ host: '127.0.0.1', port: 0, clock, addresses: () => ['http://there/'], ...limits })
}

/** From now on the server has other limits. */
async function restart(limits: Pick<RendezvousServerOptions, 'mostRooms' | 'mostAddresses'>): Promise<void> {
  await server.close()
  server = await start(limits)
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate()
  await server.close()
})

interface Client {
  readonly socket: WebSocket
  /** The next message, or the close code. */
  next(): Promise<string | number>
  say(value: unknown): void
}

/** `from`: which of the addresses of this machine calls. */
async function connect({ protocol = RENDEZVOUS_PROTOCOL, from = '127.0.0.1' } = {}): Promise<Client> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${RENDEZVOUS_PATH}`, protocol, { localAddress: from })
  clients.push(socket)
  const heard: (string | number)[] = []
  let wake = () => {}
  const hear = (value: string | number) => {
    heard.push(value)
    wake()
  }
  socket.on('message', (data) => hear(String(data)))
  socket.on('close', (code) => hear(code))
  socket.on('error', () => {})
  await new Promise<void>((resolve) => {
    socket.once('open', resolve)
    socket.once('close', () => resolve())
  })
  return {
    socket,
    say: (value) => socket.send(typeof value === 'string' ? value : JSON.stringify(value)),
    next: async () => {
      while (heard.length === 0) await new Promise<void>((resolve) => (wake = resolve))
      return heard.shift()!
    },
  }
}

async function enter(as: 'host' | 'guest', room = ROOM): Promise<Client> {
  const client = await connect()
  client.say({ room, as })
  return client
}

async function pair(): Promise<{ host: Client; guest: Client }> {
  const host = await enter('host')
  expect(await host.next()).toBe('{"state":"waiting","addresses":["http://there/"]}')
  const guest = await enter('guest')
  expect(await guest.next()).toBe('{"state":"together"}')
  return { host, guest }
}

describe('a rendezvous', () => {
  it('passes on what the two in a room say, and nothing else', async () => {
    const { host, guest } = await pair()
    guest.say({ message: 'offer \u0000 ü' })
    expect(await host.next()).toBe('{"message":"offer \\u0000 ü"}')
    host.say({ message: 'answer' })
    expect(await guest.next()).toBe('{"message":"answer"}')
  })

  it('keeps rooms apart', async () => {
    const { host } = await pair()
    const other = await enter('host', 'BAAAAAAAAAAAAAAAAAAAAA')
    await other.next()
    const guest = await enter('guest', 'BAAAAAAAAAAAAAAAAAAAAA')
    await guest.next()
    guest.say({ message: 'for the other' })
    expect(await other.next()).toBe('{"message":"for the other"}')
    host.say({ room: ROOM, as: 'host' })
    expect(await host.next()).toBe(CLOSE_CODE.malformed)
  })

  it('lets in two and no more', async () => {
    await pair()
    expect(await (await enter('guest')).next()).toBe(CLOSE_CODE.taken)
    expect(await (await enter('host')).next()).toBe(CLOSE_CODE.taken)
    expect(server.rooms).toBe(1)
  })

  it('knows no room without a host', async () => {
    expect(await (await enter('guest')).next()).toBe(CLOSE_CODE.noSuchRoom)
  })

  it('frees the place of a guest that left without a word, and ends the room of one that spoke', async () => {
    const { host, guest } = await pair()
    guest.socket.terminate()
    let second = await enter('guest')
    // The place is free once the server has noticed.
    while ((await second.next()) === CLOSE_CODE.taken) second = await enter('guest')
    second.say({ message: 'offer' })
    expect(await host.next()).toBe('{"message":"offer"}')
    second.socket.close()
    expect(await host.next()).toBe(CLOSE_CODE.partnerLeft)
    expect(server.rooms).toBe(0)
  })

  it('tells the guest when the host leaves', async () => {
    const { host, guest } = await pair()
    host.socket.terminate()
    expect(await guest.next()).toBe(CLOSE_CODE.partnerLeft)
  })

  it('ends a room after its time', async () => {
    const { host, guest } = await pair()
    await clock.advance(ROOM_MS)
    expect(await host.next()).toBe(CLOSE_CODE.expired)
    expect(await guest.next()).toBe(CLOSE_CODE.expired)
    expect(await (await enter('guest')).next()).toBe(CLOSE_CODE.noSuchRoom)
  })
})

describe('a rendezvous with hostile clients', () => {
  it.each([
    ['nothing that is JSON', 'hello'],
    ['JSON that is no object', '17'],
    ['null', 'null'],
    ['a room with another form', { room: '../../etc', as: 'host' }],
    ['a room that is too long', { room: `${ROOM}A`, as: 'host' }],
    ['a part that does not exist', { room: ROOM, as: 'listener' }],
    ['a message before a room', { message: 'hello' }],
    ['a message that is no text', { message: { length: 5 } }],
  ])('closes on %s', async (_, said) => {
    const client = await connect()
    client.say(said)
    expect(await client.next()).toBe(CLOSE_CODE.malformed)
  })

  it('closes on bytes', async () => {
    const client = await connect()
    client.socket.send(new Uint8Array(5))
    expect(await client.next()).toBe(CLOSE_CODE.malformed)
  })

  it('closes on a message that is too large, before it has it whole, and does not disturb the others', async () => {
    const { host, guest } = await pair()
    const hostile = await connect()
    hostile.say('x'.repeat(MESSAGE_BYTES + 1))
    expect(await hostile.next()).toBe(1009)
    guest.say({ message: 'x'.repeat(MESSAGE_BYTES - 20) })
    expect(String(await host.next()).length).toBe(MESSAGE_BYTES - 6)
  })

  it('closes on too many messages', async () => {
    const { host, guest } = await pair()
    for (let message = 0; message < MESSAGES + 1; message++) guest.say({ message: `${message}` })
    expect(await guest.next()).toBe(CLOSE_CODE.tooMuch)
    for (let message = 0; message < MESSAGES; message++) expect(await host.next()).toBe(`{"message":"${message}"}`)
    expect(await host.next()).toBe(CLOSE_CODE.partnerLeft)
  })

  it('does not wait for ever for who does not say what it wants', async () => {
    const silent = await connect()
    await clock.advance(JOIN_MS)
    expect(await silent.next()).toBe(CLOSE_CODE.tooMuch)
  })

  it('refuses who does not speak its protocol, other paths, and plain requests', async () => {
    // `ws` ends a connection whose subprotocol was not chosen.
    expect(typeof (await (await connect({ protocol: 'chat' })).next())).toBe('number')
    const other = new WebSocket(`ws://127.0.0.1:${server.port}/elsewhere`, RENDEZVOUS_PROTOCOL)
    const error = await new Promise<Error>((resolve) => other.once('error', resolve))
    expect(error.message).toContain('404')
    expect((await fetch(`http://127.0.0.1:${server.port}/`)).status).toBe(426)
  })

  it('closes in spite of those who say nothing, or were refused and do not hang up', async () => {
    const [silent, refused] = [connectRaw(server.port), connectRaw(server.port, '/elsewhere')]
    await Promise.all([once(silent, 'connect'), once(refused, 'data')])
    await server.close()
    for (const socket of [silent, refused]) socket.destroy()
  })

  it('survives one that asks for another path and is gone before it is answered', async () => {
    const leaving = connectRaw(server.port, '/elsewhere')
    await once(leaving, 'connect')
    leaving.resetAndDestroy()
    // Behind it in the same queue.
    expect((await fetch(`http://127.0.0.1:${server.port}/`)).status).toBe(426)
  })

  it('keeps all that one may say for a partner that does not listen', async () => {
    const { host, guest } = await pair()
    host.socket.pause()
    const largest = 'x'.repeat(MESSAGE_BYTES - 20)
    for (let message = 0; message < MESSAGES; message++) guest.say({ message: largest })
    // Whoever has heard of the next one has passed on all before.
    guest.say({ message: 'one too many' })
    expect(await guest.next()).toBe(CLOSE_CODE.tooMuch)
    host.socket.resume()
    for (let message = 0; message < MESSAGES; message++)
      expect(await host.next()).toBe(JSON.stringify({ message: largest }))
    expect(await host.next()).toBe(CLOSE_CODE.partnerLeft)
  })

  it('has only so many rooms, and a new one when one was left', async () => {
    await restart({ mostRooms: 2 })
    const [first, second] = [await enter('host', 'A'.repeat(22)), await enter('host', 'B'.repeat(22))]
    for (const host of [first, second]) await host.next()
    expect(await (await enter('host', 'C'.repeat(22))).next()).toBe(CLOSE_CODE.full)
    expect(server.rooms).toBe(2)
    const guest = await enter('guest', 'A'.repeat(22))
    expect(await guest.next()).toBe('{"state":"together"}')
    first.socket.terminate()
    expect(await guest.next()).toBe(CLOSE_CODE.partnerLeft)
    expect(await (await enter('host', 'C'.repeat(22))).next()).toContain('waiting')
  })

  it('lets in only so many addresses a minute, and those it knows', async () => {
    await restart({ mostAddresses: 2 })
    for (const from of ['127.0.0.1', '127.0.0.2']) await connect({ from })
    expect(await (await connect({ from: '127.0.0.3' })).next()).toBe(CLOSE_CODE.tooMuch)
    expect(await (await enter('host')).next()).toContain('waiting')
    await clock.advance(ATTEMPTS_MS)
    await connect({ from: '127.0.0.3' })
    expect(await (await enter('guest')).next()).toBe('{"state":"together"}')
  })

  it('takes only so many connections of one address at once, and so many a minute', async () => {
    const many = []
    for (let index = 0; index < CONNECTIONS_PER_ADDRESS; index++) many.push(await connect())
    expect(await (await connect()).next()).toBe(CLOSE_CODE.tooMuch)
    for (const { socket } of many) socket.terminate()
    let taken = CONNECTIONS_PER_ADDRESS + 1
    for (; taken < ATTEMPTS; taken++) (await connect()).socket.terminate()
    expect(await (await enter('host')).next()).toBe(CLOSE_CODE.tooMuch)
    await clock.advance(60_000)
    expect(await (await enter('host')).next()).toContain('waiting')
  })
})
