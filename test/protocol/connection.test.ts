import { describe, expect, test } from 'vitest'
import { StorageError } from '../../src/errors/storage-error.ts'
import { type ConnectionOptions, openConnection } from '../../src/protocol/connection.ts'
import { CLOSE_MS, HELLO_MS, LOST_AFTER_MS, PING_AFTER_MS } from '../../src/protocol/limits.ts'
import { encodeHello, HELLO_BYTES, type Hello } from '../../src/protocol/packets/hello.ts'
import { type ConnectionRole, proveSecret } from '../../src/protocol/secret-proof.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { RawPeer } from './raw-peer.ts'

const secret = new Uint8Array(16).fill(1)
const hello: Hello = {
  kind: 'hello',
  version: 1,
  required: 0,
  offered: 0,
  largestPayload: 2 ** 24,
  window: 2 ** 20,
  hasSecret: false,
  nonce: new Uint8Array(16).fill(9),
}
const zeroes = { kind: 'write-at', form: 'data', offset: 0, data: new Uint8Array(8) } as const

function open(options: Partial<ConnectionOptions> = {}) {
  const { a, b } = memoryChannels()
  const opening = openConnection([a], { role: 'listener', ...options })
  opening.catch(() => {})
  return { opening, peer: new RawPeer(b) }
}

/** A peer that knows the secret; what it says and proves can be bent. */
async function proofOf(peer: RawPeer, role: ConnectionRole = 'dialer', binding = new Uint8Array(0)) {
  const theirs = (await peer.hear('hello')).packet as Hello
  const ours = { ...hello, hasSecret: true }
  return proveSecret(secret, {
    role,
    dialerHello: encodeHello(ours).head.subarray(0, HELLO_BYTES),
    listenerHello: encodeHello(theirs).head.subarray(0, HELLO_BYTES),
    binding,
  })
}

describe('the hello', () => {
  test('opens a connection; a newer version and features that are only offered do not matter', async () => {
    const { opening, peer } = open()
    await peer.say(0, 1, { ...hello, version: 7, offered: 0xff })
    expect((await opening).rw.windowBytes).toBe(2 ** 20)
  })

  test.each([
    ['an older version', { version: 0 }, 'INCOMPATIBLE'],
    ['a feature this side lacks', { required: 1, offered: 1 }, 'INCOMPATIBLE'],
    ['payloads too small for a block', { largestPayload: 65536 }, 'INCOMPATIBLE'],
    ['no window', { window: 0 }, 'INCOMPATIBLE'],
    ['a secret that this side does not have', { hasSecret: true }, 'UNAUTHORIZED'],
  ])('with %s is refused, and the peer is told', async (_, changes, code) => {
    const { opening, peer } = open()
    await peer.say(0, 1, { ...hello, ...changes })
    await expect(opening).rejects.toMatchObject({ code })
    expect((await peer.hear('farewell')).packet).toMatchObject({ code })
    await peer.close()
  })

  test('sent back is refused', async () => {
    const { opening, peer } = open()
    await peer.say(0, 1, (await peer.hear('hello')).packet as Hello)
    await expect(opening).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
  })

  test('sent twice ends the connection', async () => {
    const { opening, peer } = open()
    await peer.say(0, 1, hello)
    const { rw } = await opening
    await peer.say(0, 2, hello)
    expect(await rw.ended).toMatchObject({ code: 'MALFORMED' })
  })

  test.each([
    ['a ping', { kind: 'ping' }],
    ['a proof', { kind: 'proof', mac: new Uint8Array(32) }],
    ['an event', { kind: 'event', type: 'completed' }],
  ] as const)('that is preceded by %s ends the connection', async (_, packet) => {
    const { opening, peer } = open()
    await peer.say(0, 1, packet)
    await expect(opening).rejects.toMatchObject({ code: 'MALFORMED' })
  })

  test('that never comes is not waited for for ever, not even with a peer that takes nothing', async () => {
    const { a } = memoryChannels()
    const clock = new VirtualClock({ automatic: false })
    const opening = openConnection([a], { role: 'listener', clock })
    opening.catch(() => {})
    await clock.advance(HELLO_MS + 1)
    await expect(opening).rejects.toMatchObject({ code: 'PEER_LOST' })
    await clock.advance(CLOSE_MS + 1)
    expect(await a.ended).toMatchObject({ code: 'PEER_LOST' })
  })
})

describe('the secret', () => {
  test('lets nothing take effect before it is proved', async () => {
    const { opening, peer } = open({ secret })
    await peer.say(0, 1, { ...hello, hasSecret: true })
    const handled: string[] = []
    void opening.then(({ rw }) => rw.handle(1, ({ kind }) => void handled.push(kind)))
    await peer.say(1, 2, zeroes)
    const mac = await proofOf(peer)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(handled).toEqual([])
    expect(peer.heard.map(({ packet }) => packet.kind)).not.toContain('acks')
    await peer.say(0, 3, { kind: 'proof', mac })
    await opening
    await new Promise((resolve) => setImmediate(resolve))
    expect(handled).toEqual(['write-at'])
  })

  test('wrong, drops what was sent with it', async () => {
    const { opening, peer } = open({ secret })
    await peer.say(0, 1, { ...hello, hasSecret: true })
    await peer.say(1, 2, zeroes)
    await peer.say(0, 3, { kind: 'proof', mac: new Uint8Array(32) })
    await expect(opening).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    expect((await peer.hear('farewell')).packet).toMatchObject({ code: 'UNAUTHORIZED' })
    expect(peer.heard.map(({ packet }) => packet.kind)).toEqual(['hello', 'proof', 'farewell'])
  })

  test('is not proved by sending our own proof back, nor by one for another connection', async () => {
    const { opening, peer } = open({ secret })
    await peer.say(0, 1, { ...hello, hasSecret: true })
    const { packet } = await peer.hear('proof')
    await peer.say(0, 2, packet as { kind: 'proof'; mac: Uint8Array })
    await expect(opening).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    const first = open({ secret })
    await first.peer.say(0, 1, { ...hello, hasSecret: true })
    const good = await proofOf(first.peer)
    await first.peer.say(0, 2, { kind: 'proof', mac: good })
    await first.opening
    const second = open({ secret })
    await second.peer.say(0, 1, { ...hello, hasSecret: true })
    await second.peer.say(0, 2, { kind: 'proof', mac: good })
    await expect(second.opening).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
  })

  test('is not proved over another session than the one it was made for', async () => {
    const { a, b } = memoryChannels()
    const opening = openConnection([Object.assign(a, { binding: new Uint8Array(32).fill(1) })], {
      role: 'listener',
      secret,
    })
    const peer = new RawPeer(b)
    await peer.say(0, 1, { ...hello, hasSecret: true })
    await peer.say(0, 2, { kind: 'proof', mac: await proofOf(peer, 'dialer', new Uint8Array(32).fill(2)) })
    await expect(opening).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
  })

  test('covers all lanes: those of different sessions are refused', async () => {
    const lanes = [1, 2].map((byte) => Object.assign(memoryChannels().a, { binding: new Uint8Array(32).fill(byte) }))
    await expect(openConnection(lanes, { role: 'dialer', secret })).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
  })

  test('shorter than 16 bytes is refused here, and so is one in dialect silo', async () => {
    const lanes = [memoryChannels().a]
    await expect(openConnection(lanes, { role: 'dialer', secret: secret.subarray(1) })).rejects.toThrow(RangeError)
    await expect(openConnection(lanes, { role: 'dialer', dialect: 'silo', secret })).rejects.toThrow(RangeError)
  })

  test('has a stranger hold little of our memory', async () => {
    const { opening, peer } = open({ secret })
    await peer.say(0, 1, { ...hello, hasSecret: true })
    let sent = 0
    void (async () => {
      for (; sent < 64; sent++) await peer.say(1, sent + 2, { ...zeroes, data: new Uint8Array(2 ** 18) })
    })()
    await new Promise((resolve) => setTimeout(resolve, 20))
    // 1 MiB, and what the channel itself holds.
    expect(sent).toBeLessThan(14)
    void opening
  })
})

describe('the last words of a stranger', () => {
  const farewell = (code: string, message = 'gone') => ({ kind: 'farewell', code, message }) as const

  test.each([
    ['UNAUTHORIZED', 'UNAUTHORIZED'],
    ['INCOMPATIBLE', 'INCOMPATIBLE'],
    ['BUSY', 'BUSY'],
    ['VERIFY_FAILED', 'PEER_LOST'],
    ['QUOTA_EXCEEDED', 'PEER_LOST'],
    ['NOT_FOUND', 'PEER_LOST'],
    ['__proto__', 'PEER_LOST'],
  ])('with the code %s count as %s, before its hello and before its proof', async (said, code) => {
    const early = open({ secret })
    await early.peer.say(0, 1, farewell(said))
    await expect(early.opening).rejects.toMatchObject({ code })
    const later = open({ secret })
    await later.peer.say(0, 1, { ...hello, hasSecret: true })
    await later.peer.say(0, 2, farewell(said))
    await expect(later.opening).rejects.toMatchObject({ code })
  })

  test('are believed behind a proof that is right, also when it leaves at once', async () => {
    for (const leaves of [true, false]) {
      const { opening, peer } = open({ secret })
      await peer.say(0, 1, { ...hello, hasSecret: true })
      const mac = await proofOf(peer)
      void peer.say(0, 2, { kind: 'proof', mac })
      void peer.say(0, 3, farewell('NOT_FOUND'))
      if (leaves) void peer.close()
      await expect(opening).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }
  })

  test('do not save it behind a proof that is wrong', async () => {
    const { opening, peer } = open({ secret })
    await peer.say(0, 1, { ...hello, hasSecret: true })
    void peer.say(0, 2, { kind: 'proof', mac: new Uint8Array(32) })
    void peer.say(0, 3, farewell('NOT_FOUND'))
    await expect(opening).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
  })

  test('steer no terminal, whoever says them', async () => {
    const text = '\u001b]0;owned\u0007\u001b[2J\r\nall\u009b31m is \u202ewell\u2028 🙂'
    const { opening, peer } = open()
    await peer.say(0, 1, farewell('BUSY', text))
    await expect(opening).rejects.toMatchObject({
      message: 'The peer says:  ]0;owned [2J all 31m is  well  🙂',
    })
    const later = open()
    await later.peer.say(0, 1, hello)
    const { rw } = await later.opening
    await later.peer.say(0, 2, farewell('\u001b[31m', text))
    expect(await rw.ended).toMatchObject({
      message: 'The peer says:  ]0;owned [2J all 31m is  well  🙂',
      context: { peerCode: ' [31m' },
    })
  })
})

describe('an open connection', () => {
  async function opened(clock?: VirtualClock) {
    const { opening, peer } = open(clock ? { clock } : {})
    await peer.say(0, 1, hello)
    return { ...(await opening), peer }
  }

  test('tells the peer why it is closed, and hears why it is', async () => {
    const near = await opened()
    const closing = near.close(new StorageError('DID_NOT_CONVERGE'))
    expect((await near.peer.hear('farewell')).packet).toMatchObject({ code: 'DID_NOT_CONVERGE' })
    await near.peer.close()
    await closing
    const far = await opened()
    await far.peer.say(0, 9, { kind: 'farewell', code: 'NO_SPACE_ON_MARS', message: 'full' })
    expect(await far.rw.ended).toMatchObject({ code: 'PEER_LOST', context: { peerCode: 'NO_SPACE_ON_MARS' } })
  })

  test('skips a packet that it does not know and may skip', async () => {
    const { peer } = await opened()
    await peer.bytes(Uint8Array.of(0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 0x7f, 1))
    await peer.say(0, 6, { kind: 'ping' })
    await peer.hear('ping-response')
  })

  test('ends at a packet that it does not know and must', async () => {
    const { rw, peer } = await opened()
    await peer.bytes(Uint8Array.of(0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0x5f))
    expect(await rw.ended).toMatchObject({ code: 'INCOMPATIBLE' })
    expect((await peer.hear('farewell')).packet).toMatchObject({ code: 'INCOMPATIBLE' })
  })

  test('asks a silent peer whether it is there, and gives it up after a long silence', async () => {
    const clock = new VirtualClock({ automatic: false })
    const { rw, peer } = await opened(clock)
    await clock.advance(PING_AFTER_MS + 1)
    const { id } = await peer.hear('ping')
    await peer.say(0, id, { kind: 'ping-response' })
    await clock.advance(LOST_AFTER_MS - 1000)
    expect(await Promise.race([rw.ended, 'open'])).toBe('open')
    await clock.advance(PING_AFTER_MS * 2)
    expect(await rw.ended).toMatchObject({ code: 'PEER_LOST' })
  })

  test('keeps a peer whose timers and ours fire once a minute', async () => {
    const clock = new ClampedClock()
    const { rw, peer } = await opened(clock)
    for (let minute = 0; minute < 20; minute++) {
      const pings = peer.heard.filter(({ packet }) => packet.kind === 'ping').length
      await clock.advance(60_000)
      for (const { packet, id } of peer.heard.filter(({ packet }) => packet.kind === 'ping').slice(pings)) {
        expect(packet.kind).toBe('ping')
        await peer.say(0, id, { kind: 'ping-response' })
      }
    }
    expect(await Promise.race([rw.ended, 'open'])).toBe('open')
    expect(peer.heard.filter(({ packet }) => packet.kind === 'ping').length).toBeGreaterThan(5)
    await clock.advance(LOST_AFTER_MS + 180_000)
    expect(await rw.ended).toMatchObject({ code: 'PEER_LOST' })
  })

  test('survives hours of sleep of its own machine', async () => {
    const clock = new ClampedClock(4 * 3_600_000)
    const { rw, peer } = await opened(clock)
    await clock.advance(4 * 3_600_000 + 1)
    expect(await Promise.race([rw.ended, 'open'])).toBe('open')
    expect((await peer.hear('ping')).dev).toBe(0)
  })
})

/** Timers fire once in a while only, as in a hidden tab or on a machine that sleeps. */
class ClampedClock extends VirtualClock {
  readonly #leastMs: number

  constructor(leastMs = 60_000) {
    super({ automatic: false })
    this.#leastMs = leastMs
  }

  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return super.sleep(Math.max(ms, this.#leastMs), signal)
  }
}
