import { describe, expect, test } from 'vitest'
import { Bitfield } from '../../src/bitfield/bitfield.ts'
import { BlockGenerations } from '../../src/protocol/block-generations.ts'
import { FromProtocol } from '../../src/protocol/from-protocol.ts'
import type { Packet } from '../../src/protocol/packets/packet.ts'
import { ProtocolRW } from '../../src/protocol/protocol-rw.ts'
import { ToProtocol } from '../../src/protocol/to-protocol.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { RawPeer } from './raw-peer.ts'

const BLOCK = 512
const BLOCKS = 8

function filled(byte: number, blocks = 1): Uint8Array {
  return new Uint8Array(blocks * BLOCK).fill(byte)
}

async function destination(wrap: (disk: StorageProvider) => StorageProvider = (disk) => disk) {
  const [first, last] = [memoryChannels(), memoryChannels()]
  const rw = new ProtocolRW([first.a, last.a], { dialect: 'blockferry/1' })
  const disk = new MemoryStorage(BLOCKS * BLOCK)
  new FromProtocol(rw, 1, () => ({ provider: wrap(disk) }))
  const lanes = [new RawPeer(first.b), new RawPeer(last.b)] as const
  await lanes[0].say(1, 1, { kind: 'dev-info', size: disk.size, blockSize: BLOCK, name: 'd', schema: '' })
  const content = () =>
    Array.from({ length: BLOCKS }, (_, block) => {
      const bytes = new Uint8Array(BLOCK)
      disk.readAtSync(bytes, block * BLOCK)
      return bytes[0]!
    })
  return { rw, lanes, content }
}

const dirty = (...blocks: number[]): Packet => ({
  kind: 'dirty-list',
  blockSize: BLOCK,
  blocks: Uint32Array.from(blocks),
})
const write = (block: number, data: Uint8Array) =>
  ({ kind: 'write-at', form: 'data', offset: block * BLOCK, data }) as const

async function acknowledged(peer: RawPeer, count: number): Promise<void> {
  const done = () => {
    let acks = 0
    for (const { packet } of peer.heard)
      if (packet.kind === 'acks') for (const range of packet.ranges) acks += range.count
    return acks
  }
  while (done() < count) await new Promise((resolve) => setImmediate(resolve))
}

describe('copies of a block that overtake each other', () => {
  test('leave the newest, and the one that came too late is acknowledged', async () => {
    const { lanes, content } = await destination()
    const [first, last] = lanes
    await first.say(1, 2, dirty(1, 2))
    await last.hear('dirty-list-response')
    await first.say(1, 3, { kind: 'write-newer', generation: 1, write: write(2, filled(9)) })
    await acknowledged(last, 1)
    // Sent before the list, delayed on its lane, and of blocks that are not all void.
    await last.say(1, 4, write(0, filled(3, 4)))
    await acknowledged(last, 2)
    expect(content().slice(0, 4)).toEqual([3, 0, 9, 3])
  })

  test('leave the newest when zeroes are the older one', async () => {
    const { lanes, content } = await destination()
    const [first, last] = lanes
    await first.say(1, 2, dirty(2))
    await last.hear('dirty-list-response')
    await first.say(1, 3, { kind: 'write-newer', generation: 1, write: write(2, filled(9)) })
    const zeroes = { kind: 'write-at', form: 'zeroes', offset: 0, length: BLOCKS * BLOCK } as const
    await last.say(1, 4, { ...zeroes, segments: new Uint8Array(0) })
    await acknowledged(last, 2)
    expect(content()[2]).toBe(9)
  })

  test('are stored one after the other when both are here, in a storage that is slow with the first', async () => {
    let slow = true
    const { lanes, content } = await destination((disk) => ({
      size: disk.size,
      readAt: (target, offset) => disk.readAt(target, offset),
      flush: () => disk.flush(),
      close: () => disk.close(),
      cancelWrites: () => {},
      writeAt: async (data, offset) => {
        const copy = data.slice()
        if (slow) {
          slow = false
          for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
        }
        return disk.writeAt(copy, offset)
      },
    }))
    const [, last] = lanes
    await last.say(1, 4, write(0, filled(1)))
    await last.say(1, 5, write(0, filled(2)))
    await acknowledged(last, 2)
    expect(content()[0]).toBe(2)
  })
})

test('a generation that has not begun ends the connection', async () => {
  const { lanes, rw, content } = await destination()
  await lanes[0].say(1, 2, { kind: 'write-newer', generation: 1, write: write(0, filled(1)) })
  expect(await rw.ended).toMatchObject({ code: 'MALFORMED' })
  expect(content()[0]).toBe(0)
})

test('a source says so from its first dirty list on, and never to a Silo peer', async () => {
  for (const dialect of ['blockferry/1', 'silo'] as const) {
    const { a, b } = memoryChannels()
    const rw = new ProtocolRW([a], { dialect })
    const peer = new RawPeer(b)
    const to = new ToProtocol(rw, { dev: 1, size: BLOCKS * BLOCK, blockSize: BLOCK, name: 'd' })
    to.writeAt(filled(1), 0).catch(() => {})
    const field = new Bitfield(BLOCKS)
    field.set(3)
    const telling = to.dirtyList(field)
    await peer.say(1, (await peer.hear('dirty-list')).id, { kind: 'dirty-list-response' })
    await telling
    field.free()
    const from = peer.heard.length
    to.writeAt(filled(2), 0).catch(() => {})
    const kind = dialect === 'silo' ? 'write-at' : 'write-newer'
    const { packet } = await peer.hear(kind, from)
    if (packet.kind === 'write-newer') expect((packet as Packet & { kind: 'write-newer' }).generation).toBe(1)
  }
})

describe('kept generations', () => {
  test('tell void blocks from others', () => {
    const generations = new BlockGenerations()
    expect(generations.writable(0, 0, 10)).toEqual([[0, 10]])
    generations.raise(Uint32Array.of(0, 4, 9))
    expect(generations.writable(0, 0, 10)).toEqual([
      [1, 4],
      [5, 9],
    ])
    expect(generations.writable(1, 0, 10)).toEqual([[0, 10]])
    expect(() => generations.writable(2, 0, 1)).toThrow('generation')
  })

  test('go on for thousands of rounds in a byte each, also across pages', () => {
    const generations = new BlockGenerations()
    for (let round = 1; round <= 5000; round++) {
      generations.raise(Uint32Array.of(round % 3, 65535, 65536))
      expect(generations.current).toBe(round)
      expect(generations.writable(round, 0, 4)).toEqual([[0, 4]])
      expect(generations.writable(round - 1, 65534, 65538)).toEqual([
        [65534, 65535],
        [65537, 65538],
      ])
    }
    expect(() => generations.writable(4000, 0, 1)).toThrow('generation')
  })
})
