import { describe, expect, test } from 'vitest'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { encodeFrame } from '../../src/protocol/frame.ts'
import { FromProtocol } from '../../src/protocol/from-protocol.ts'
import { NEED_AT_BLOCKS, READ_BYTES } from '../../src/protocol/limits.ts'
import { encodePacket, type Packet } from '../../src/protocol/packets/packet.ts'
import { type Dialect, ProtocolRW } from '../../src/protocol/protocol-rw.ts'
import { ToProtocol } from '../../src/protocol/to-protocol.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
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

/** A frame of device 1, request 2, with this payload. */
function framed(payload: Uint8Array): Uint8Array[] {
  return encodeFrame({ dev: 1, id: 2 }, { head: payload, data: undefined })
}

describe('a hostile source ends the connection, and leaves others alone, with', () => {
  test.each([
    ['a frame of 4 GiB', 'LIMIT_EXCEEDED', hex('01 00 00 00  02 00 00 00  ff ff ff ff')],
    ['an empty frame', 'MALFORMED', hex('01 00 00 00  02 00 00 00  00 00 00 00')],
  ])('%s', async (_, code, bytes) => {
    const other = await destination()
    const { rw, peer } = await destination()
    await peer.bytes(bytes)
    expect(await rw.ended).toMatchObject({ code })
    expect(await peer.ended).toBeDefined()
    await other.peer.say(1, 9, { kind: 'write-at', form: 'data', offset: 0, data: new Uint8Array(1) })
    await other.peer.hear('write-at-response')
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
  ])('%s', async (_, code, bytes) => {
    const { rw, peer } = await destination()
    await peer.bytes(...framed(hex(bytes)))
    expect(await rw.ended).toMatchObject({ code })
    expect(await peer.ended).toBeDefined()
  })

  test.each([
    ['a write behind the end', { kind: 'write-at', form: 'data', offset: SIZE, data: new Uint8Array(1) }],
    ['a write across the end', { kind: 'write-at', form: 'data', offset: SIZE - 1, data: new Uint8Array(2) }],
    ['a cut varint in RLE', { kind: 'write-at', form: 'rle', offset: 0, tokens: hex('80') }],
    ['a run of 2^62 bytes', { kind: 'write-at', form: 'rle', offset: 0, tokens: hex('80 80 80 80 80 80 80 80 40 00') }],
    ['a cut varint in zeroes', { kind: 'write-at', form: 'zeroes', offset: 0, length: 4096, segments: hex('80') }],
    ['zeroes of 2^53', { kind: 'write-at', form: 'zeroes', offset: 0, length: 2 ** 53 - 1, segments: hex('') }],
    [
      'zeroes and a segment',
      { kind: 'write-at', form: 'zeroes', offset: 0, length: 2 ** 52, segments: hex('00 02 01') },
    ],
    ['what is no gzip', { kind: 'write-at', form: 'gzip', offset: 0, member: hex('1f 8b 00') }],
    [
      'a hash of data elsewhere',
      { kind: 'write-at', form: 'hash', location: 's3', offset: 0, length: 1, hash: new Uint8Array(32) },
    ],
    [
      'present blocks past the end',
      { kind: 'write-at', form: 'you-already-have', blockSize: 4096, blocks: Uint32Array.of(99) },
    ],
  ] as [string, Packet][])('nothing but a refusal for %s', async (_, packet) => {
    for (const dialect of ['silo', 'blockferry/1'] as const) {
      const { rw, peer, disk } = await destination(dialect)
      await peer.say(1, 7, packet)
      const { id } = await peer.hear(dialect === 'silo' ? 'write-at-response-error' : 'failure-response')
      expect(id).toBe(7)
      expect(await Promise.race([rw.ended, 'open'])).toBe('open')
      const content = new Uint8Array(SIZE)
      disk.readAtSync(content, 0)
      expect(content.every((byte) => byte === 0)).toBe(true)
    }
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

  test('acks of what was never asked', async () => {
    const { rw, peer } = source('blockferry/1')
    await peer.say(1, 1, { kind: 'acks', ranges: [{ firstId: 1, count: 2 ** 32 - 1 }] })
    expect(await rw.ended).toMatchObject({ code: 'MALFORMED' })
  })
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
    ['another kind of answer', { kind: 'event-response' }, 'MALFORMED'],
    ['a code that we do not know', { kind: 'failure-response', code: 'NOPE', message: 'x' }, 'WRITE_FAILED'],
  ] as const)('fails a write with %s', async (_, packet, code) => {
    const { to, peer } = source('blockferry/1')
    const writing = to.writeAt(new Uint8Array(5), 0)
    await peer.say(1, (await peer.hear('write-at')).id, packet)
    await expect(writing).rejects.toMatchObject({ code })
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

describe('a disk that is offered', () => {
  const info = { kind: 'dev-info', size: SIZE, blockSize: BLOCK, name: '../../etc/passwd', schema: '' } as const

  async function offered(packet: Packet, dev = 1, dialect: Dialect = 'blockferry/1') {
    const { a, b } = memoryChannels()
    const peer = new RawPeer(b)
    const opening = openConnection([a], { role: 'listener', dialect })
    if (dialect !== 'silo')
      await peer.say(0, 1, {
        ...((await peer.hear('hello')).packet as Packet & { kind: 'hello' }),
        nonce: new Uint8Array(16),
        offered: 0,
      })
    const connection = await opening
    const names: string[] = []
    const create = ({ size, name }: { size: number; name: string }) => {
      names.push(name)
      return new MemoryStorage(size)
    }
    const receiving = receiveDisk({ connection, create })
    receiving.catch(() => {})
    await peer.say(dev, 2, packet)
    return { receiving, peer, names, connection }
  }

  test.each([
    ['2^53 - 1 bytes', { size: 2 ** 53 - 1 }, 'LIMIT_EXCEEDED'],
    ['0 bytes', { size: 0 }, 'MALFORMED'],
    ['blocks of no power of two', { blockSize: 4097 }, 'MALFORMED'],
    ['blocks of 2 GiB', { blockSize: 2 ** 31 }, 'MALFORMED'],
  ])('with %s is refused before a place is made', async (_, changes, code) => {
    const { receiving, names } = await offered({ ...info, ...changes })
    await expect(receiving).rejects.toMatchObject({ code })
    expect(names).toEqual([])
  })

  test.each([[0], [2], [2 ** 32 - 1]])('as device %i of a group is refused', async (dev) => {
    const group = { kind: 'device-group-info', devices: [{ ...info, dev }] } as const
    await expect((await offered(group, 0, 'silo')).receiving).rejects.toBeDefined()
  })

  test('is not handed over by an event, as in the other dialect', async () => {
    const { receiving, peer } = await offered(info)
    const { disk } = await receiving
    await peer.say(1, 3, { kind: 'event', type: 'completed' })
    expect((await peer.hear('failure-response')).packet).toMatchObject({ code: 'MALFORMED' })
    expect(disk.state).toBe('locked')
  })

  test('does not become present by the word of its source', async () => {
    const { receiving, peer } = await offered(info)
    const { cache } = await receiving
    await peer.say(1, 3, { kind: 'write-at', form: 'you-already-have', blockSize: BLOCK, blocks: Uint32Array.of(0, 1) })
    expect((await peer.hear('failure-response')).packet).toMatchObject({ code: 'NOT_SUPPORTED' })
    expect(cache.missingBlocks).toBe(SIZE / BLOCK)
  })
})
