import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Handshake } from '../../../src/adapters/nbd/handshake.ts'
import { OPTION_BYTES, REQUEST_BYTES, STATUS_EXTENTS, STRING_BYTES } from '../../../src/adapters/nbd/limits.ts'
import { RequestReader } from '../../../src/adapters/nbd/transmission.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { propertyOptions } from '../../support/seed.ts'
import { FakeClient, GO, request, settle } from './fake-client.ts'
import { hex, join, toHex } from './hex.ts'

const KiB = 1024
const SIZE = 64 * KiB

/** A conversation with everything in it. */
const conversation = join([
  hex(`
    00 00 00 03
    "IHAVEOPT" 00 00 00 03 00 00 00 00
    "IHAVEOPT" 00 00 00 06 00 00 00 0c 00 00 00 00 00 03 00 01 00 02 00 03
    "IHAVEOPT" 00 00 00 09 00 00 00 08 00 00 00 00 00 00 00 00`),
  GO.structured.subarray(4),
  request({ command: 1, flags: 1, offset: 4096, payload: Buffer.alloc(600, 7) }),
  request({ command: 0, flags: 4, length: 4096 }),
  request({ command: 7, flags: 8, length: SIZE }),
  request({ command: 6, flags: 18, offset: 8192, length: 8192 }),
  request({ command: 4, length: 512 }),
  request({ command: 3 }),
  request({ command: 9, length: 5 }),
])
const disconnect = request({ command: 2 })

/** Feeds bytes in slices as a socket would: not while it is held back, and into place where there is one. */
async function feed(client: FakeClient, bytes: Uint8Array, sliceBytes: (left: number) => number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    if (!client.reading) {
      await settle()
      if (!client.reading) return
    }
    let count = Math.max(1, Math.min(sliceBytes(bytes.length - at), bytes.length - at))
    const place = client.connection.place
    if (place) {
      count = Math.min(count, place.length)
      place.set(bytes.subarray(at, at + count))
      client.connection.placed(count)
    } else {
      client.connection.receive(bytes.subarray(at, at + count))
    }
    at += count
  }
  await settle()
}

/** Everything that a server may answer can be told apart without knowing what was asked. */
function checkAnswers(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  expect(view.getUint16(16)).toBe(3)
  for (let at = 18; at < bytes.length; ) {
    const magic = view.getUint32(at)
    if (magic === 0x0003e889) at += 20 + view.getUint32(at + 16)
    else if (magic === 0x67446698) at += 16
    else if (magic === 0x668e33ef) at += 20 + view.getUint32(at + 16)
    else throw new Error(`no answer begins with ${magic.toString(16)}, at ${at}`)
    expect(at).toBeLessThanOrEqual(bytes.length)
  }
}

describe('a client that is cut', () => {
  it('anywhere ends its connection, and no half of a write is on the disk', async () => {
    for (let length = 0; length <= conversation.length; length++) {
      const disk = new MemoryStorage(SIZE)
      const client = new FakeClient(disk)
      await feed(client, conversation.subarray(0, length), () => length)
      client.connection.peerEnded()
      await client.connection.finished
      expect(client.ended).toBe(true)
      const written = new Uint8Array(600)
      disk.readAtSync(written, 4096)
      expect(written.every((byte) => byte === written[0])).toBe(true)
      checkAnswers(client.received())
    }
  }, 60_000)
})

describe('a client that sends', () => {
  it('the same bytes in other slices gets the same answers', async () => {
    const whole = new FakeClient(new MemoryStorage(SIZE))
    await feed(whole, join([conversation, disconnect]), (left) => left)
    const expected = toHex(whole.received())
    expect(whole.ended).toBe(true)
    const slices = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 })
    await fc.assert(
      fc.asyncProperty(slices, async (sizes) => {
        const client = new FakeClient(new MemoryStorage(SIZE))
        let turn = 0
        await feed(client, join([conversation, disconnect]), () => sizes[turn++ % sizes.length]!)
        expect(toHex(client.received())).toBe(expected)
        expect(client.ended).toBe(true)
      }),
      propertyOptions(30),
    )
  })

  it('changed bytes gets an answer or an end, and what is not protocol is not answered', async () => {
    const change = fc.tuple(fc.nat(conversation.length - 1), fc.integer({ min: 1, max: 255 }))
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = join([conversation, disconnect])
        for (const [at, mask] of changes) bytes[at]! ^= mask
        const client = new FakeClient(new MemoryStorage(SIZE))
        await feed(client, bytes, () => 100)
        client.connection.peerEnded()
        await client.connection.finished
        checkAnswers(client.received())
        for (const { code } of client.broken) {
          expect(['MALFORMED', 'INCOMPATIBLE', 'LIMIT_EXCEEDED', 'NOT_FOUND', 'PEER_LOST']).toContain(code)
        }
        expect(client.failures).toEqual([])
      }),
      propertyOptions(300),
    )
  })

  it('noise is hung up on', async () => {
    const prefix = fc.constantFrom(new Uint8Array(), hex('00 00 00 03'), GO.simple, GO.structured)
    await fc.assert(
      fc.asyncProperty(prefix, fc.uint8Array({ minLength: 100, maxLength: 2000 }), async (before, noise) => {
        // The noise must not be a magic number by chance.
        noise.set([1, 2, 3, 4])
        const client = new FakeClient(new MemoryStorage(SIZE))
        await feed(client, join([before, noise]), () => 64)
        await client.connection.finished
        expect(client.ended).toBe(true)
        expect(client.broken.length).toBe(1)
        checkAnswers(client.received())
      }),
      propertyOptions(100),
    )
  })
})

describe('nothing is allocated that was not allowed:', () => {
  it('a handshake keeps one option at most', () => {
    const directory = { closing: false, list: () => [], find: () => undefined }
    const lengths = fc.integer({ min: 0, max: 0xffffffff })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20 }), lengths, (option, length) => {
        const header = Buffer.from(hex(`00 00 00 03 "IHAVEOPT" 00 00 00 00 00 00 00 00`))
        header.writeUInt32BE(option, 12)
        header.writeUInt32BE(length, 16)
        const { outcome } = new Handshake(directory).receive(header)
        expect(outcome !== undefined).toBe(length > OPTION_BYTES || (length === 0 && (option === 1 || option === 2)))
      }),
      propertyOptions(300),
    )
  })

  it('a count of queries that is not there ends at once', () => {
    const directory = { closing: false, list: () => [], find: () => undefined }
    const handshake = new Handshake(directory)
    const bytes = hex('00 00 00 03 "IHAVEOPT" 00 00 00 0a 00 00 00 08 00 00 00 00 ff ff ff ff')
    expect(toHex(handshake.receive(bytes).replies[0]!)).toContain('80000003')
  })

  it('the reader makes no room for a payload by itself', () => {
    const reader = new RequestReader()
    expect(reader.receive(request({ command: 1, length: 0xffffffff }))).toBe('request')
    expect(reader.place).toBeUndefined()
  })

  it('a refused payload has no place', async () => {
    const client = new FakeClient(new MemoryStorage(SIZE)).choose('simple')
    client.connection.receive(request({ command: 1, length: 0xffffffff }))
    expect(client.connection.place).toBeUndefined()
  })

  it('a read that is too long, or of what is not there, takes nothing', async () => {
    const client = new FakeClient(new MemoryStorage(2 ** 40, { sparse: true })).choose('structured')
    for (const [offset, length] of [
      [0, REQUEST_BYTES + 1],
      [0, 0xffffffff],
      [2 ** 40, 1],
    ] as const) {
      const answer = await client.ask({ command: 0, offset, length })
      expect(toHex(answer.subarray(4, 8))).toBe('00018001')
      expect(answer.length).toBeLessThan(200)
    }
  })

  it('an answer about allocation has a limit, and the next question gets the rest', async () => {
    const disk = new MemoryStorage(2 ** 32, { sparse: true })
    for (let page = 0; page < 20_000; page += 2) disk.writeAtSync(Uint8Array.of(1), page * 65536)
    const client = new FakeClient(disk).choose('structured')
    let at = 0
    let answers = 0
    while (at < 20_000 * 65536) {
      const answer = await client.ask({ command: 7, offset: at, length: 2 ** 32 - 65536 - at })
      const view = new DataView(answer.buffer, answer.byteOffset)
      const ranges = (view.getUint32(16) - 4) / 8
      expect(ranges).toBeLessThanOrEqual(STATUS_EXTENTS)
      for (let index = 0; index < ranges; index++) {
        expect(view.getUint32(28 + index * 8)).toBe((at / 65536) % 2 === 0 && at < 20_000 * 65536 ? 0 : 3)
        at += view.getUint32(24 + index * 8)
      }
      answers++
    }
    expect(answers).toBe(3)
  })

  it('a refusal does not repeat a name at length', () => {
    const directory = { closing: false, list: () => [], find: () => undefined }
    const data = join([hex('00 00 10 00'), Buffer.alloc(STRING_BYTES, 'x'), hex('00 00')])
    const handshake = new Handshake(directory)
    const { replies } = handshake.receive(join([hex('00 00 00 03 "IHAVEOPT" 00 00 00 07 00 00 10 06'), data]))
    expect(replies[0]!.length).toBeLessThan(20 + STRING_BYTES)
  })
})
