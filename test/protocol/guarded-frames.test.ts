import { describe, expect, it, test } from 'vitest'
import { errorCode } from '../../src/errors/storage-error.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { encodeFrame, type Frame, GUARD_MARK } from '../../src/protocol/frame.ts'
import { FrameDecoder } from '../../src/protocol/frame-decoder.ts'
import { FEATURE } from '../../src/protocol/handshake.ts'
import { guardedBytes, headCheck } from '../../src/protocol/head-check.ts'
import { decodeHello, encodeHello, HELLO_BYTES } from '../../src/protocol/packets/hello.ts'
import { encodePacket, type Packet } from '../../src/protocol/packets/packet.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { hex, hexOf } from './packets/hex.ts'
import { RawPeer } from './raw-peer.ts'

const data = Uint8Array.from({ length: 200 }, (_, index) => index)
const packets: readonly Packet[] = [
  { kind: 'write-at', form: 'data', offset: 0x3000, data },
  { kind: 'write-newer', generation: 1, write: { kind: 'write-at', form: 'data', offset: 0, data } },
  { kind: 'write-checked', generation: 1, offset: 65536, tags: new Uint8Array(16).fill(5), data },
  { kind: 'write-patch', generation: 1, offset: 0, digests: new Uint8Array(16), maps: new Uint8Array(2), data },
  { kind: 'dirty-list', blockSize: 65536, blocks: Uint32Array.from({ length: 100 }, (_, index) => 7 * index) },
  { kind: 'need-at', offset: 65536, length: 4096 },
  { kind: 'acks', ranges: [{ firstId: 7, count: 3 }] },
  { kind: 'ping' },
]
const guarded = (packet: Packet, id = 7) => Buffer.concat(encodeFrame({ dev: 1, id }, encodePacket(packet), true))

/** What a decoder makes of a guarded stream: the numbers of the frames, and the code of an error. */
function read(bytes: Uint8Array, { mark = true } = {}) {
  const decoder = new FrameDecoder(undefined, undefined, { takesMark: true })
  const frames: Frame[] = []
  try {
    if (mark) decoder.push(GUARD_MARK, () => {})
    decoder.push(bytes, (frame) => frames.push(frame))
    return { ids: frames.map(({ id }) => id), code: undefined, decoder }
  } catch (error) {
    return { ids: frames.map(({ id }) => id), code: errorCode(error), decoder }
  }
}

describe('the checksum of heads', () => {
  it('is CRC-32C, and goes on behind what was summed before', () => {
    const digits = new TextEncoder().encode('123456789')
    expect(headCheck(digits)).toBe(0xe3069283)
    expect(headCheck(digits, 4, 9, headCheck(digits, 0, 4))).toBe(0xe3069283)
    // RFC 3720, B.4: 32 bytes of zeroes.
    expect(headCheck(new Uint8Array(32))).toBe(0x8a9136aa)
  })

  it('covers all of a packet, but of data its beginning', () => {
    expect(guardedBytes(0x05, 2 ** 20)).toBe(2 ** 20)
    expect(guardedBytes(0x02, 2 ** 20)).toBe(64)
    expect(guardedBytes(0x46, 30)).toBe(30)
  })
})

describe('a guarded frame', () => {
  it('is a header, two checksums and a packet', () => {
    const bytes = guarded({ kind: 'write-at', form: 'data', offset: 0x3000, data: hex('deadbeef') })
    const head = hex('01000000 07000000 0e000000')
    const payload = hex('0200 0030000000000000 deadbeef')
    const check = (part: Uint8Array) => new Uint8Array(Uint32Array.of(headCheck(part)).buffer)
    expect(hexOf(bytes)).toBe(hexOf(Buffer.concat([head, check(head), check(payload), payload])))
  })

  it.each(packets)('with a $kind is read as it was written, however it is cut', (packet) => {
    const bytes = Buffer.concat([GUARD_MARK, guarded(packet, 8), guarded(packet, 9)])
    for (let cut = 0; cut <= bytes.length; cut++) {
      const decoder = new FrameDecoder(undefined, undefined, { takesMark: true })
      const ids: number[] = []
      decoder.push(bytes.subarray(0, cut), ({ id }) => ids.push(id))
      decoder.push(bytes.subarray(cut), ({ id }) => ids.push(id))
      expect(ids).toEqual([8, 9])
    }
  })

  it.each(packets)(
    'with a $kind is refused with any bit of its head flipped, before anything is waited for',
    (packet) => {
      const whole = guarded(packet)
      const heads = 20 + guardedBytes(encodePacket(packet).head[0]!, whole.length - 20)
      for (let bit = 0; bit < heads * 8; bit++) {
        const damaged = Uint8Array.from(whole)
        damaged[bit >> 3]! ^= 1 << (bit & 7)
        const { ids, code } = read(damaged)
        expect({ bit, ids, code }).toEqual({ bit, ids: [], code: 'MALFORMED' })
      }
    },
  )

  it('may not come without the mark where it is expected, nor with a damaged one', () => {
    const decoder = new FrameDecoder(undefined, undefined, { takesMark: true })
    decoder.expectGuard()
    const plain = Buffer.concat(encodeFrame({ dev: 1, id: 7 }, encodePacket({ kind: 'ping' })))
    expect(() => decoder.push(plain, () => {})).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
    for (let bit = 0; bit < GUARD_MARK.length * 8; bit++) {
      const mark = Uint8Array.from(GUARD_MARK)
      mark[bit >> 3]! ^= 1 << (bit & 7)
      expect(read(mark, { mark: false }).code).toBe('MALFORMED')
    }
  })

  it('has no mark in the other dialect', () => {
    expect(() => new FrameDecoder().push(GUARD_MARK, () => {})).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })
})

describe('a hello', () => {
  const hello = { kind: 'hello', version: 1, required: 0, offered: 3, largestPayload: 2 ** 24, window: 1 } as const
  const { head } = encodeHello({ ...hello, hasSecret: false, nonce: new Uint8Array(16) })

  it('is refused with any bit flipped', () => {
    for (let bit = 8; bit < head.length * 8; bit++) {
      const damaged = head.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      expect(() => decodeHello(damaged)).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
    }
  })

  it('of an early peer ends with its nonce', () => {
    expect(decodeHello(head.slice(0, HELLO_BYTES)).offered).toBe(3)
  })
})

describe('a connection', () => {
  async function between(one: { without?: number }, other: { without?: number }) {
    const { a, b } = memoryChannels()
    let bytes = Buffer.alloc(0)
    const channel = {
      ...a,
      kind: a.kind,
      ended: a.ended,
      send: (parts: readonly Uint8Array[]) => {
        bytes = Buffer.concat([bytes, ...parts])
        return a.send(parts)
      },
      receive: (handler: Parameters<typeof a.receive>[0]) => a.receive(handler),
      close: () => a.close(),
      abort: (reason: unknown) => a.abort(reason),
    }
    const [left, right] = await Promise.all([
      openConnection([channel], { role: 'dialer', secret: new Uint8Array(16), ...one }),
      openConnection([b], { role: 'listener', secret: new Uint8Array(16), ...other }),
    ])
    right.rw.handle(5, (_, id) => right.rw.respond(5, id, { kind: 'ping-response' }))
    await left.rw.request(5, { kind: 'ping' })
    await left.close()
    return { left, isGuarded: bytes.includes(Buffer.from(GUARD_MARK)) }
  }

  test('guards its frames where both sides can', async () => {
    const { left, isGuarded } = await between({}, {})
    expect(left.shared & FEATURE.guard).toBe(FEATURE.guard)
    expect(isGuarded).toBe(true)
  })

  test.each([
    ['this side', { without: FEATURE.guard }, {}],
    ['the peer', {}, { without: FEATURE.guard }],
  ])('does not where %s is older', async (_, one, other) => {
    const { left, isGuarded } = await between(one, other)
    expect(left.shared & FEATURE.guard).toBe(0)
    expect(isGuarded).toBe(false)
  })

  test('ends at once when a guarded frame is damaged, and says so with a guarded one', async () => {
    const { a, b } = memoryChannels()
    const peer = new RawPeer(b)
    const opening = openConnection([a], { role: 'listener' })
    const theirs = (await peer.hear('hello')).packet as Packet & { kind: 'hello' }
    await peer.say(0, 1, { ...theirs, nonce: new Uint8Array(16) })
    const { rw } = await opening
    const frame = guarded({ kind: 'need-at', offset: 0, length: 1 })
    frame[8]! ^= 0x80
    await peer.bytes(GUARD_MARK, frame)
    expect(await rw.ended).toMatchObject({ code: 'MALFORMED' })
    expect((await peer.hear('farewell')).packet).toMatchObject({ code: 'MALFORMED' })
  })

  test('ends when the peer says that it guards its frames and does not', async () => {
    const { a, b } = memoryChannels()
    const peer = new RawPeer(b)
    const opening = openConnection([a], { role: 'listener' })
    const theirs = (await peer.hear('hello')).packet as Packet & { kind: 'hello' }
    await peer.say(0, 1, { ...theirs, nonce: new Uint8Array(16) })
    const { rw } = await opening
    await peer.say(0, 2, { kind: 'ping' })
    expect(await rw.ended).toMatchObject({ code: 'MALFORMED' })
  })
})
