import { describe, expect, test } from 'vitest'
import { EARLY_BYTES, EARLY_PACKETS, HANDLED_BYTES, QUEUED_FRAMES, WINDOW_BYTES } from '../../src/protocol/limits.ts'
import { encodePacket, type Packet } from '../../src/protocol/packets/packet.ts'
import { type ProtocolOptions, ProtocolRW } from '../../src/protocol/protocol-rw.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { RawPeer } from './raw-peer.ts'

const read: Packet = { kind: 'read-at', offset: 0, length: 1 }
const answer: Packet = { kind: 'read-at-response', bytes: 1, data: Uint8Array.of(7) }
const need = (offset: number): Packet => ({ kind: 'need-at', offset, length: 1 })
const event: Packet = { kind: 'event', type: 'pre-lock' }

function pair(options: Partial<ProtocolOptions> = {}) {
  const { a, b, sever } = memoryChannels()
  return { rw: new ProtocolRW([a], { dialect: 'blockferry/1', ...options }), peer: new RawPeer(b), sever }
}

async function settledLong(): Promise<'open'> {
  for (let turn = 0; turn < 200; turn++) await settled()
  return 'open'
}

/** Everything that can happen without a timer. */
const settled = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)))

describe('requests', () => {
  test('have numbers that are never 0, also when they wrap', async () => {
    const { rw, peer } = pair({ lastId: 2 ** 32 - 3 })
    const asked = [rw.request(1, read), rw.request(1, read), rw.request(1, read)]
    await settled()
    expect(peer.heard.map(({ id }) => id)).toEqual([2 ** 32 - 2, 2 ** 32 - 1, 1])
    for (const { id } of peer.heard.slice(0, 2)) await peer.say(1, id, answer)
    await Promise.all(asked.slice(0, 2))
  })

  test('of several devices at once get their own answers, in any order', async () => {
    const { rw, peer } = pair()
    const asked = [1, 2, 2 ** 32 - 1].map((dev) => rw.request(dev, read))
    await settled()
    for (const { dev, id } of peer.heard.toReversed()) {
      await peer.say(dev, id, { kind: 'read-at-response', bytes: 1, data: Uint8Array.of(dev & 0xff) })
    }
    const got = await Promise.all(asked)
    expect(got.map((packet) => (packet.kind === 'read-at-response' ? packet.data[0] : undefined))).toEqual([1, 2, 255])
  })

  test('are not answered by another device, nor twice', async () => {
    const { rw, peer } = pair()
    const asked = rw.request(1, read)
    const { id } = await peer.hear('read-at')
    await peer.say(2, id, answer)
    await peer.say(1, id + 1, answer)
    await settled()
    await peer.say(1, id, answer)
    await peer.say(1, id, answer)
    expect(await asked).toEqual(answer)
    const again = rw.request(1, read)
    await peer.hear('read-at', 1)
    await peer.say(1, id + 1, answer)
    expect(await again).toEqual(answer)
  })

  test('fail with PEER_LOST when the peer goes, those that come later too', async () => {
    const { rw, sever } = pair()
    const asked = rw.request(1, read)
    await settled()
    sever()
    await expect(asked).rejects.toMatchObject({ code: 'PEER_LOST' })
    await expect(rw.request(1, read)).rejects.toMatchObject({ code: 'PEER_LOST' })
    expect(await rw.ended).toMatchObject({ code: 'PEER_LOST' })
  })

  test('fail with PEER_LOST when the peer closes in order', async () => {
    const { rw, peer } = pair()
    const asked = rw.request(1, read)
    await peer.hear('read-at')
    void peer.close()
    await expect(asked).rejects.toMatchObject({ code: 'PEER_LOST' })
    expect(await rw.ended).toBeUndefined()
  })

  test('fail with CLOSED when this side closes', async () => {
    const { rw } = pair()
    const asked = rw.request(1, read)
    await settled()
    void rw.close()
    await expect(asked).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('can be given up, also while they wait for credit; answers that come late are ignored', async () => {
    const { rw, peer } = pair()
    const stop = new AbortController()
    const asked = rw.request(1, read, { signal: stop.signal })
    const { id } = await peer.hear('read-at')
    rw.limitWindow(1)
    const waiting = rw.request(1, read, { signal: stop.signal })
    waiting.catch(() => {})
    stop.abort()
    await expect(asked).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
    await peer.say(1, id, answer)
    // A range of acks may name what nobody waits for any more.
    await peer.say(1, 0, { kind: 'acks', ranges: [{ firstId: id, count: 5 }] })
    const next = rw.request(1, read)
    const { id: nextId } = await peer.hear('read-at', 1)
    await peer.say(1, nextId, answer)
    expect(await next).toEqual(answer)
  })
})

describe('lanes', () => {
  test('carry urgent packets on the first and all others on the last', async () => {
    const [first, last] = [memoryChannels(), memoryChannels()]
    const rw = new ProtocolRW([first.a, last.a], { dialect: 'blockferry/1' })
    const [urgent, bulk] = [new RawPeer(first.b), new RawPeer(last.b)]
    await rw.post(1, need(1), { urgent: true })
    await rw.post(1, need(2))
    await settled()
    expect(urgent.heard.map(({ packet }) => packet)).toEqual([need(1)])
    expect(bulk.heard.map(({ packet }) => packet)).toEqual([need(2)])
  })

  test('end together', async () => {
    const [first, last] = [memoryChannels(), memoryChannels()]
    const rw = new ProtocolRW([first.a, last.a], { dialect: 'blockferry/1' })
    last.sever()
    expect(await rw.ended).toMatchObject({ code: 'PEER_LOST' })
    expect(await first.b.ended).toBeDefined()
  })

  test('let urgent packets pass those that wait', async () => {
    const { a, b } = memoryChannels()
    const rw = new ProtocolRW([a], { dialect: 'blockferry/1' })
    // Nobody takes anything yet: bulk piles up.
    const bulk = Array.from({ length: 64 }, (_, index) => {
      return rw.post(1, { kind: 'write-at', form: 'data', offset: index, data: new Uint8Array(2 ** 17) })
    })
    const urgent = rw.post(1, need(5), { urgent: true })
    const peer = new RawPeer(b)
    await Promise.all([...bulk, urgent])
    await peer.hear('need-at')
    // What the channel had taken goes first, and nothing else.
    expect(peer.heard.findIndex(({ packet }) => packet.kind === 'need-at')).toBeLessThan(20)
  })
})

describe('what arrives', () => {
  test('before there is a handler waits for it, and comes in order', async () => {
    const { rw, peer } = pair()
    await peer.say(3, 1, need(1))
    await peer.say(3, 2, need(2))
    await settled()
    const seen: number[] = []
    rw.handle(3, (packet, id) => {
      seen.push(id)
      expect(packet.kind).toBe('need-at')
    })
    await peer.say(3, 3, need(3))
    await settled()
    expect(seen).toEqual([1, 2, 3])
  })

  test('for device after device that nobody set up ends the connection', async () => {
    const { rw, peer } = pair()
    for (let dev = 1; dev <= EARLY_PACKETS + 1; dev++) await peer.say(dev, 1, need(1))
    expect(await rw.ended).toMatchObject({ code: 'LIMIT_EXCEEDED' })
    expect(await peer.ended).toBeDefined()
  })

  test.each([
    ['large ones', { kind: 'write-at', form: 'data', offset: 0, data: new Uint8Array(16.5 * 2 ** 20) }],
    ['some that may grow', { kind: 'write-at', form: 'rle', offset: 0, tokens: new Uint8Array(2 ** 20) }],
  ] as [string, Packet][])(
    'for a device that nobody set up ends the connection when it is too much: %s',
    async (_, packet) => {
      for (const dialect of ['silo', 'blockferry/1'] as const) {
        const { rw, peer } = pair({ dialect })
        const bytes = encodePacket(packet).data!.length
        const most = Math.floor(EARLY_BYTES / bytes)
        const sending = (async () => {
          for (let id = 1; id <= most + 1; id++) await peer.say(9, id, packet)
        })()
        // Nobody takes these, and still the connection is read.
        expect(await Promise.race([rw.ended, settledLong()])).toMatchObject({ code: 'LIMIT_EXCEEDED' })
        expect(await peer.ended).toBeDefined()
        await sending
      }
    },
  )

  test('for a device that nobody has set up yet may be a whole window, and holds up no other', async () => {
    const { rw, peer } = pair({ dialect: 'silo' })
    const data = new Uint8Array(2 ** 20)
    for (let id = 1; id <= WINDOW_BYTES / data.length; id++) {
      await peer.say(9, id, { kind: 'write-at', form: 'data', offset: 0, data })
    }
    const heard: number[] = []
    rw.handle(1, (_, id) => void heard.push(id))
    await peer.say(1, 99, event)
    await settled()
    expect(heard).toEqual([99])
    rw.handle(9, (_, id) => void heard.push(id))
    await settled()
    expect(heard).toEqual([99, ...Array.from({ length: 16 }, (_, index) => index + 1)])
  })

  test('is held back while what is being handled costs too much, and goes on afterwards', async () => {
    const { rw, peer } = pair()
    const waiting: (() => void)[] = []
    let most = 0
    rw.handle(1, () => {
      most++
      return new Promise<void>((done) => waiting.push(done))
    })
    const data = new Uint8Array(2 ** 20)
    let sent = 0
    const sending = (async () => {
      for (; sent < 100; sent++) await peer.say(1, sent + 1, { kind: 'write-at', form: 'data', offset: 0, data })
    })()
    await settled()
    await settled()
    const held = HANDLED_BYTES / data.length
    expect(most).toBeLessThanOrEqual(held + 1)
    expect(sent).toBeLessThan(held + 8)
    while (most < 100 || waiting.length > 0) {
      for (const done of waiting.splice(0)) done()
      await settled()
    }
    await sending
    expect(most).toBe(100)
  })

  test('counts with what its answer will hold: reads in one slice are not all begun at once', async () => {
    const { rw, peer } = pair()
    let begun = 0
    rw.handle(1, () => {
      begun++
      return new Promise<void>(() => {})
    })
    for (let id = 1; id <= 1000; id++) void peer.say(1, id, { kind: 'read-at', offset: 0, length: 2 ** 31 - 1 })
    await settled()
    expect(begun).toBeLessThanOrEqual(10)
  })

  test('behind the error that ended the connection is not handled', async () => {
    const { rw, peer } = pair()
    let seen = 0
    rw.handle(1, () => {
      seen++
      throw new Error('enough')
    })
    await Promise.all([peer.say(1, 1, need(1)), peer.say(1, 2, need(2))])
    expect(await rw.ended).toMatchObject({ message: 'enough' })
    expect(seen).toBe(1)
  })
})

test('a peer that takes nothing ends the connection when too many answers wait for it', async () => {
  const { a } = memoryChannels()
  const rw = new ProtocolRW([a], { dialect: 'blockferry/1' })
  for (let id = 1; id <= QUEUED_FRAMES + 2; id++) rw.respond(1, id, { kind: 'event-response' }).catch(() => {})
  await expect(rw.respond(1, 1, event)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
  expect(await rw.ended).toMatchObject({ code: 'LIMIT_EXCEEDED' })
})
