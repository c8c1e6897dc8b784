import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { encodeFrame } from '../../src/protocol/frame.ts'
import { FromProtocol } from '../../src/protocol/from-protocol.ts'
import { NEED_AT_BLOCKS, READ_BYTES } from '../../src/protocol/limits.ts'
import { encodePacket, type Packet } from '../../src/protocol/packets/packet.ts'
import { encodeRle } from '../../src/protocol/packets/rle-encoder.ts'
import { type Dialect, ProtocolRW } from '../../src/protocol/protocol-rw.ts'
import { ToProtocol } from '../../src/protocol/to-protocol.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { hex } from './packets/hex.ts'
import { RawPeer } from './raw-peer.ts'

const SIZE = 65536
const BLOCK = 4096

/** What a hostile source meets: this side receives a disk. */
async function destination(dialect: Dialect = 'silo') {
  const { a, b } = memoryChannels()
  const rw = new ProtocolRW([a], { dialect })
  const disk = new MemoryStorage(SIZE)
  new FromProtocol(rw, 1, () => ({ provider: disk }))
  const peer = new RawPeer(b)
  await peer.say(1, 1, { kind: 'dev-info', size: SIZE, blockSize: BLOCK, name: 'd', schema: '' })
  return { rw, disk, peer }
}

/** An empty disk of which nothing is kept. */
function storageOf(size: number): StorageProvider {
  return {
    size,
    readAt: async (target) => target.length,
    writeAt: async (data) => data.length,
    flush: async () => {},
    close: async () => {},
    cancelWrites: () => {},
  }
}

/** What a hostile destination meets: this side sends a disk. */
function source(dialect: Dialect = 'silo') {
  const { a, b } = memoryChannels()
  const rw = new ProtocolRW([a], { dialect })
  const needed: number[] = []
  const reader = new MemoryStorage(SIZE)
  const needAt = (offset: number, length: number) => void needed.push(offset, length)
  const to = new ToProtocol(rw, { dev: 1, size: SIZE, blockSize: BLOCK, name: 'd', needAt, reader })
  return { rw, to, peer: new RawPeer(b), needed }
}

/** Another connection, on which all is well. */
async function bystander() {
  const { rw, peer } = await destination()
  return async () => {
    await peer.say(1, 9, { kind: 'write-at', form: 'data', offset: 0, data: new Uint8Array(1) })
    await peer.hear('write-at-response')
    expect(await Promise.race([rw.ended, 'open'])).toBe('open')
  }
}

/** A gzip member that says it holds a thousand bytes. */
function lying(member: Uint8Array): Uint8Array {
  new DataView(member.buffer, member.byteOffset + member.length - 4).setUint32(0, 1000, true)
  return member
}

/** A frame of device 1, request 2, with this payload. */
function framed(payload: Uint8Array): Uint8Array[] {
  return encodeFrame({ dev: 1, id: 2 }, { head: payload, data: undefined })
}

describe('a hostile source ends the connection, and leaves others alone, with', () => {
  test.each([
    ['a frame of 4 GiB', 'LIMIT_EXCEEDED', hex('01 00 00 00  02 00 00 00  ff ff ff ff')],
    ['an empty frame', 'MALFORMED', hex('01 00 00 00  02 00 00 00  00 00 00 00')],
  ])('%s', async (_, code, bytes) => {
    const isUnharmed = await bystander()
    const { rw, peer } = await destination()
    await peer.bytes(bytes)
    expect(await rw.ended).toMatchObject({ code })
    expect(await peer.ended).toBeDefined()
    await isUnharmed()
  })

  test.each([
    ['a dirty list of 2^32 - 1 blocks', 'MALFORMED', '05 00 10 00 00 ff ff ff ff'],
    ['a map of removed blocks that does not follow', 'MALFORMED', '0b ff ff ff ff'],
    ['a list of present blocks that does not follow', 'MALFORMED', '02 03 00 10 00 00 00 00 00 00 ff ff ff ff'],
    ['a mapped write whose map does not follow', 'MALFORMED', '09 00 00 00 00 00 00 00 00 ff ff ff ff'],
    ['places that do not follow', 'MALFORMED', '0c ff ff ff ff'],
    ['a negative offset', 'MALFORMED', '02 00 ff ff ff ff ff ff ff ff 01'],
    ['a read of negative length', 'MALFORMED', '01 00 00 00 00 00 00 00 00 ff ff ff ff'],
    ['a form of write that means nothing', 'MALFORMED', '02 09 00'],
    ['an event that means nothing', 'MALFORMED', '07 77'],
    ['a second announcement', 'MALFORMED', '06 00 00 01 00 00 00 00 00 00 10 00 00 00 00 00 00 00 00'],
    ['a block size of 0', 'MALFORMED', '06 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00'],
    ['a name longer than the packet', 'MALFORMED', '06 00 00 01 00 00 00 00 00 00 10 00 00 f1 ff 00 00'],
    ['a packet only destinations send', 'MALFORMED', '03 00 00 00 00 00 00 00 00 00 00 00 00'],
    ['a packet of another dialect', 'MALFORMED', '43'],
    ['no command there is', 'MALFORMED', '7f'],
    ['a dirty list of another block size', 'MALFORMED', '05 00 02 00 00 00 00 00 00'],
    ['dirty blocks past the end', 'MALFORMED', '05 00 10 00 00 01 00 00 00 ff ff ff 7f'],
    ['zeroes of 2^63 bytes', 'MALFORMED', '02 05 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 80'],
  ])('%s', async (_, code, bytes) => {
    const isUnharmed = await bystander()
    const { rw, peer } = await destination()
    await peer.bytes(...framed(hex(bytes)))
    expect(await rw.ended).toMatchObject({ code })
    expect(await peer.ended).toBeDefined()
    await isUnharmed()
  })

  test.each([
    ['a write behind the end', 'MALFORMED', { form: 'data', offset: SIZE, data: new Uint8Array(1) }],
    ['a write across the end', 'MALFORMED', { form: 'data', offset: SIZE - 1, data: new Uint8Array(2) }],
    ['a cut varint in RLE', 'MALFORMED', { form: 'rle', offset: 0, tokens: hex('80') }],
    ['a run of 2^62 bytes', 'MALFORMED', { form: 'rle', offset: 0, tokens: hex('80 80 80 80 80 80 80 80 40 00') }],
    [
      'a run of more than a block',
      'LIMIT_EXCEEDED',
      { form: 'rle', offset: 0, tokens: encodeRle(new Uint8Array(2 ** 24 + 1)) },
    ],
    ['a cut varint in zeroes', 'MALFORMED', { form: 'zeroes', offset: 0, length: 4096, segments: hex('80') }],
    ['zeroes of 2^53', 'MALFORMED', { form: 'zeroes', offset: 0, length: 2 ** 53 - 1, segments: hex('') }],
    [
      'zeroes and a segment',
      'LIMIT_EXCEEDED',
      { form: 'zeroes', offset: 0, length: 2 ** 52, segments: hex('00 02 01') },
    ],
    ['what is no gzip', 'MALFORMED', { form: 'gzip', offset: 0, member: hex('1f 8b 00') }],
    ['a gzip bomb', 'LIMIT_EXCEEDED', { form: 'gzip', offset: 0, member: gzipSync(new Uint8Array(2 ** 25)) }],
    [
      'a gzip bomb that lies',
      'MALFORMED',
      { form: 'gzip', offset: 0, member: lying(gzipSync(new Uint8Array(2 ** 25))) },
    ],
    [
      'present blocks past the end',
      'MALFORMED',
      { form: 'you-already-have', blockSize: BLOCK, blocks: Uint32Array.of(99) },
    ],
  ] as [string, string, Record<string, unknown>][])('%s, in either dialect', async (_, code, write) => {
    const isUnharmed = await bystander()
    for (const dialect of ['silo', 'blockferry/1'] as const) {
      const { rw, peer, disk } = await destination(dialect)
      await peer.say(1, 7, { kind: 'write-at', ...write } as Packet)
      expect(await rw.ended).toMatchObject({ code })
      expect(await peer.ended).toBeDefined()
      const content = new Uint8Array(SIZE)
      disk.readAtSync(content, 0)
      expect(content.every((byte) => byte === 0)).toBe(true)
    }
    await isUnharmed()
  })

  test('writes, or a second end, after it has handed the disk over', async () => {
    for (const packet of [
      { kind: 'write-at', form: 'data', offset: 0, data: new Uint8Array(1) },
      { kind: 'event', type: 'completed' },
    ] as const) {
      const { rw, peer } = await destination()
      await peer.say(1, 2, { kind: 'event', type: 'completed' })
      await peer.hear('event-response')
      await peer.say(1, 3, packet)
      expect(await rw.ended).toMatchObject({ code: 'MALFORMED' })
    }
  })

  test('a frame that is cut anywhere: the connection ends with a code', async () => {
    const whole = Buffer.concat(encodeFrame({ dev: 1, id: 2 }, encodePacket({ kind: 'event', type: 'completed' })))
    for (let cut = 1; cut < whole.length; cut++) {
      const { rw, peer } = await destination()
      await peer.bytes(whole.subarray(0, cut))
      await peer.close()
      expect(await rw.ended).toMatchObject({ code: 'PEER_LOST' })
    }
  })

  test('dirty blocks past the end, in the other dialect too', async () => {
    const { rw, peer } = await destination('blockferry/1')
    await peer.say(1, 2, { kind: 'dirty-list', blockSize: BLOCK, blocks: Uint32Array.of(SIZE / BLOCK) })
    expect(await rw.ended).toMatchObject({ code: 'MALFORMED' })
  })

  test('acks of what was never asked', async () => {
    const { rw, peer } = source('blockferry/1')
    await peer.say(1, 1, { kind: 'acks', ranges: [{ firstId: 1, count: 2 ** 32 - 1 }] })
    expect(await rw.ended).toMatchObject({ code: 'MALFORMED' })
  })
})

describe('a source that may be honest', () => {
  test('has a block refused that it wants fetched from elsewhere', async () => {
    const hash = new Uint8Array(32)
    for (const dialect of ['silo', 'blockferry/1'] as const) {
      const { rw, peer } = await destination(dialect)
      await peer.say(1, 7, { kind: 'write-at', form: 'hash', location: 's3', offset: 0, length: 1, hash })
      const { id, packet } = await peer.hear(dialect === 'silo' ? 'write-at-response-error' : 'failure-response')
      expect(id).toBe(7)
      if (packet.kind === 'failure-response') expect(packet.code).toBe('NOT_SUPPORTED')
      expect(await Promise.race([rw.ended, 'open'])).toBe('open')
    }
  })

  test('may say where blocks lie and answer what nobody asked: nothing is fetched, and nothing stored', async () => {
    const { rw, peer, disk } = await destination()
    const hash = createHash('sha256').update(new Uint8Array(BLOCK).fill(1)).digest()
    const location = 'http://10.0.0.1:9000 bucket disk-0'
    await peer.say(1, 2, { kind: 'alternate-sources', sources: [{ offset: 0, length: BLOCK, hash, location }] })
    for (let id = 1; id <= 100; id++) {
      await peer.say(1, id, { kind: 'read-by-hash-response', data: new Uint8Array(BLOCK).fill(1) })
    }
    await peer.say(1, 3, { kind: 'read-at', offset: 0, length: BLOCK })
    const { packet } = await peer.hear('read-at-response')
    expect(packet).toMatchObject({ data: new Uint8Array(BLOCK) })
    expect(peer.heard).toHaveLength(1)
    expect(disk.readAtSync(new Uint8Array(1), 0)).toBe(1)
    expect(await Promise.race([rw.ended, 'open'])).toBe('open')
  })

  test.each(['silo', 'blockferry/1'] as const)(
    'in %s holds up no other device with requests that are not answered yet',
    async (dialect) => {
      const { rw, peer } = await destination(dialect)
      let begun = 0
      const stuck = { ...storageOf(SIZE), writeAt: () => new Promise<number>(() => begun++) }
      new FromProtocol(rw, 2, () => ({ provider: stuck }))
      await peer.say(2, 1, { kind: 'dev-info', size: SIZE, blockSize: BLOCK, name: 'stuck', schema: '' })
      const count = 200
      for (let id = 2; id < 2 + count; id++) {
        await peer.say(2, id, { kind: 'write-at', form: 'data', offset: 0, data: new Uint8Array(BLOCK) })
      }
      await peer.say(1, 2 + count, { kind: 'read-at', offset: 0, length: 1 })
      expect(await peer.hear('read-at-response')).toMatchObject({ dev: 1, id: 2 + count })
      expect(begun).toBeGreaterThan(0)
      expect(peer.heard.some(({ dev }) => dev === 2)).toBe(false)
    },
  )
})

describe('a hostile destination', () => {
  test('that floods with answers nobody waits for has nothing kept and nothing ended', async () => {
    const { to, rw, peer } = source('blockferry/1')
    for (let id = 1; id <= 2000; id++) await peer.say(id, id, { kind: 'write-at-response', bytes: 1 })
    for (let id = 1; id <= 2000; id++) await peer.say(1, id, { kind: 'acks', ranges: [{ firstId: id, count: 9 }] })
    const writing = to.writeAt(new Uint8Array(5), 0)
    await peer.say(1, (await peer.hear('write-at')).id, { kind: 'write-at-response', bytes: 5 })
    expect(await writing).toBe(5)
    expect(await Promise.race([rw.ended, 'open'])).toBe('open')
  })

  test.each([
    ['another count', { kind: 'write-at-response', bytes: 4 }, 'SHORT_WRITE'],
    ['a code that we do not know', { kind: 'failure-response', code: 'NOPE', message: 'x' }, 'WRITE_FAILED'],
  ] as const)('fails a write with %s', async (_, packet, code) => {
    const { to, peer } = source('blockferry/1')
    const writing = to.writeAt(new Uint8Array(5), 0)
    await peer.say(1, (await peer.hear('write-at')).id, packet)
    await expect(writing).rejects.toMatchObject({ code })
  })

  test.each([
    ['a write', (to: ToProtocol) => to.writeAt(new Uint8Array(5), 0), 'write-at'],
    ['a read', (to: ToProtocol) => to.readAt(new Uint8Array(5), 0), 'read-at'],
    ['an event', (to: ToProtocol) => to.event({ kind: 'event', type: 'completed' }), 'event'],
  ] as const)('that answers %s with something else is cut off', async (_, ask, kind) => {
    for (const dialect of ['silo', 'blockferry/1'] as const) {
      const isUnharmed = await bystander()
      const { to, rw, peer } = source(dialect)
      const asking = ask(to)
      asking.catch(() => {})
      await peer.say(1, (await peer.hear(kind)).id, { kind: 'hashes-response' })
      await expect(asking).rejects.toMatchObject({ code: 'MALFORMED' })
      expect(await rw.ended).toMatchObject({ code: 'MALFORMED' })
      expect(await peer.ended).toBeDefined()
      await isUnharmed()
    }
  })

  test('that needs bytes past the end is cut off', async () => {
    for (const offset of [SIZE, 2 ** 53 - 1]) {
      const { rw, peer } = source()
      await peer.say(1, 1, { kind: 'need-at', offset, length: 0 })
      expect(await rw.ended).toMatchObject({ code: 'MALFORMED' })
    }
  })

  test('that needs nothing, or everything at once, is heard within limits', async () => {
    const { peer, needed } = source()
    await peer.say(1, 1, { kind: 'need-at', offset: 0, length: 0 })
    await peer.say(1, 2, { kind: 'need-at', offset: 4096, length: 2 ** 31 - 1 })
    await peer.say(1, 3, { kind: 'read-at', offset: 0, length: 1 })
    await peer.hear('read-at-response')
    expect(needed).toEqual([0, 0, 4096, SIZE - 4096])
    expect(NEED_AT_BLOCKS).toBeLessThanOrEqual(8192)
  })

  test.each([
    ['longer than is served', 0, READ_BYTES + 1],
    ['past the end', SIZE + 1, 1],
  ])('has a read refused that is %s', async (_, offset, length) => {
    const { peer, rw } = source()
    await peer.say(1, 1, { kind: 'read-at', offset, length })
    await peer.hear('read-at-response-error')
    expect(await Promise.race([rw.ended, 'open'])).toBe('open')
  })
})
