import { describe, expect, test } from 'vitest'
import { StorageError } from '../../src/errors/storage-error.ts'
import type { ArrivingDevice } from '../../src/protocol/arriving-device.ts'
import { FromProtocol } from '../../src/protocol/from-protocol.ts'
import { matchTags, tagsOf } from '../../src/protocol/packets/write-checked.ts'
import { ProtocolRW } from '../../src/protocol/protocol-rw.ts'
import { ToProtocol } from '../../src/protocol/to-protocol.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { RawPeer } from './raw-peer.ts'

const BLOCK = 8192
/** Four blocks, the last one of a few bytes. */
const SIZE = 3 * BLOCK + 77

/** What a device was given to check or to patch. */
interface Given {
  readonly offset: number
  readonly length: number
  readonly tags: readonly number[]
}

async function destination(device: Partial<ArrivingDevice> = {}) {
  const { a, b } = memoryChannels()
  const rw = new ProtocolRW([a], { dialect: 'blockferry/1' })
  const given: Given[] = []
  const provider = new MemoryStorage(SIZE)
  const writeChecked = async (data: Uint8Array, offset: number, tags: Uint8Array) => {
    given.push({ offset, length: data.length, tags: [...tags] })
    return data.length
  }
  new FromProtocol(rw, 1, () => ({ provider, writeChecked, ...device }))
  const peer = new RawPeer(b)
  await peer.say(1, 1, { kind: 'dev-info', size: SIZE, blockSize: BLOCK, name: 'd', schema: '' })
  return { rw, peer, given, provider }
}

const tags = (...values: number[]) => Uint8Array.from(values.flatMap((value) => Array<number>(8).fill(value)))
const checked = (offset: number, length: number, values: number[], generation = 0) =>
  ({ kind: 'write-checked', generation, offset, tags: tags(...values), data: new Uint8Array(length) }) as const

describe('tags', () => {
  test('are the first halves of digests', () => {
    const digests = Uint8Array.from({ length: 32 }, (_, index) => index)
    expect([...tagsOf(digests)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23])
    expect(matchTags(tagsOf(digests), digests)).toBe(true)
  })

  test('match no other digests, nor more or fewer of them', () => {
    const digests = new Uint8Array(32).fill(7)
    for (let at = 0; at < 16; at++) {
      const wrong = tagsOf(digests)
      wrong[at]! ^= 1
      expect(matchTags(wrong, digests)).toBe(false)
    }
    expect(matchTags(tagsOf(digests).subarray(8), digests)).toBe(false)
    expect(matchTags(new Uint8Array(0), digests)).toBe(false)
  })
})

describe('a checked write', () => {
  test('comes to the device with the tags of its blocks, but for those that a newer copy forbids', async () => {
    const { peer, given } = await destination()
    await peer.say(1, 2, { kind: 'dirty-list', blockSize: BLOCK, blocks: Uint32Array.of(1) })
    await peer.say(1, 3, checked(0, SIZE, [1, 2, 3, 4]))
    await peer.hear('acks')
    expect(given).toEqual([
      { offset: 0, length: BLOCK, tags: [...tags(1)] },
      { offset: 2 * BLOCK, length: BLOCK + 77, tags: [...tags(3, 4)] },
    ])
  })

  test.each([
    ['begins within a block', checked(100, BLOCK, [1])],
    ['ends within one', checked(0, BLOCK + 100, [1, 2])],
    ['has too few tags', checked(0, 2 * BLOCK, [1])],
    ['has too many', checked(0, BLOCK, [1, 2])],
    ['goes past the end of the disk', checked(3 * BLOCK, BLOCK, [1])],
    ['is of a generation to come', checked(0, BLOCK, [1], 1)],
  ])('that %s ends the connection, and nothing is stored', async (_, packet) => {
    const { peer, given, rw } = await destination()
    await peer.say(1, 2, packet)
    expect(await rw.ended).toMatchObject({ code: 'MALFORMED' })
    expect(given).toEqual([])
  })

  test('that was damaged is answered with the code of the device', async () => {
    const writeChecked = async () => {
      throw new StorageError('DAMAGED')
    }
    const { peer } = await destination({ writeChecked })
    await peer.say(1, 2, checked(0, BLOCK, [1]))
    expect((await peer.hear('failure-response')).packet).toMatchObject({ code: 'DAMAGED' })
  })

  test('goes in parts of whole blocks with their tags, to a peer that takes little', async () => {
    const { a, b } = memoryChannels()
    const rw = new ProtocolRW([a], { dialect: 'blockferry/1' })
    rw.limitPayload(2 * (BLOCK + 8) + 64)
    const device = { dev: 1, size: SIZE, blockSize: BLOCK, name: 'd', checks: true }
    const to = new ToProtocol(rw, device)
    const peer = new RawPeer(b)
    const digests = Uint8Array.from({ length: 64 }, (_, index) => index >> 4)
    const writing = to.writeAt(new Uint8Array(SIZE), 0, { digests })
    while (peer.heard.length < 2) await new Promise((resolve) => setImmediate(resolve))
    await peer.say(1, peer.heard[0]!.id, { kind: 'acks', ranges: [{ firstId: peer.heard[0]!.id, count: 2 }] })
    await writing
    expect(peer.heard.map(({ packet }) => packet)).toMatchObject([
      { kind: 'write-checked', offset: 0, tags: tags(0, 1) },
      { kind: 'write-checked', offset: 2 * BLOCK, tags: tags(2, 3) },
    ])
  })
})

describe('a patch', () => {
  const packet = {
    kind: 'write-patch',
    generation: 0,
    offset: BLOCK,
    digests: new Uint8Array(16),
    maps: Uint8Array.of(2),
    data: new Uint8Array(4096).fill(5),
  } as const

  test('comes to the device as what it does to the blocks', async () => {
    const patched: Uint8Array[] = []
    const { peer } = await destination({
      writePatched: async ({ length, apply }) => {
        const blocks = new Uint8Array(length)
        apply(blocks)
        patched.push(blocks)
      },
    })
    await peer.say(1, 2, packet)
    await peer.hear('acks')
    expect(patched.map((blocks) => [blocks.length, blocks[4095], blocks[4096]])).toEqual([[BLOCK, 0, 5]])
  })

  test('is refused by a device that takes none', async () => {
    const { peer } = await destination()
    await peer.say(1, 2, packet)
    expect((await peer.hear('failure-response')).packet).toMatchObject({ code: 'NOT_SUPPORTED' })
  })

  test.each([
    ['within a block', { offset: 1 }],
    ['past the end of the disk', { offset: 4 * BLOCK }],
    ['of a generation to come', { generation: 1 }],
    ['with pieces that are not there', { maps: Uint8Array.of(3) }],
  ])('%s ends the connection', async (_, changes) => {
    const { peer, rw } = await destination({ writePatched: async () => {} })
    await peer.say(1, 2, { ...packet, ...changes })
    expect(await rw.ended).toMatchObject({ code: 'MALFORMED' })
  })
})
