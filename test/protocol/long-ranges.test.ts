import { describe, expect, test } from 'vitest'
import { FromProtocol } from '../../src/protocol/from-protocol.ts'
import { NEED_AT_BLOCKS, NEED_AT_PIECES, REQUEST_BYTES } from '../../src/protocol/limits.ts'
import { ProtocolRW } from '../../src/protocol/protocol-rw.ts'
import { ToProtocol } from '../../src/protocol/to-protocol.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { RawPeer } from './raw-peer.ts'

/** A disk of which only the size matters. */
function huge(size: number): StorageProvider {
  return {
    size,
    readAt: async () => 0,
    writeAt: async () => 0,
    flush: async () => {},
    close: async () => {},
    cancelWrites: () => {},
  }
}

/** A destination whose disk was announced. */
async function destination(size: number, blockSize: number) {
  const { a, b } = memoryChannels()
  const from = new FromProtocol(new ProtocolRW([a], { dialect: 'silo' }), 1, () => ({ provider: huge(size) }))
  const peer = new RawPeer(b)
  await peer.say(1, 1, { kind: 'dev-info', size, blockSize, name: 'd', schema: '' })
  await from.announced
  const asked = async (count: number) => {
    while (peer.heard.length < count) await new Promise((resolve) => setImmediate(resolve))
    return peer.heard.map(({ packet }) => {
      if (packet.kind !== 'need-at' && packet.kind !== 'dont-need-at') throw new Error(packet.kind)
      return { kind: packet.kind, offset: packet.offset, length: packet.length }
    })
  }
  return { from, asked }
}

describe('ranges that 31 bits do not hold', () => {
  test.each([
    ['of blocks of 64 KiB', 2 ** 16, NEED_AT_BLOCKS * 2 ** 16],
    ['of blocks of 16 MiB', 2 ** 24, 127 * 2 ** 24],
  ])('%s are asked for in pieces of whole blocks that a source takes', async (_, blockSize, piece) => {
    const { from, asked } = await destination(2 ** 40, blockSize)
    const length = 2 ** 32 + blockSize
    from.needAt(blockSize, length)
    from.dontNeedAt(blockSize, length)
    const count = Math.ceil(length / piece)
    const said = await asked(2 * count)
    for (const [half, kind] of (['need-at', 'dont-need-at'] as const).entries()) {
      expect(said.slice(half * count, (half + 1) * count)).toEqual(
        Array.from({ length: count }, (_, index) => ({
          kind,
          offset: blockSize + index * piece,
          length: Math.min(piece, length - index * piece),
        })),
      )
    }
  })

  test('of exactly 2 GiB too', async () => {
    const { from, asked } = await destination(2 ** 40, 2 ** 24)
    from.needAt(0, 2 ** 31)
    const said = await asked(2)
    expect(said.map(({ length }) => length)).toEqual([127 * 2 ** 24, 2 ** 24])
  })

  test('of a whole disk of small blocks do not flood the peer', async () => {
    const { from, asked } = await destination(2 ** 50, 512)
    from.dontNeedAt(0, 2 ** 50)
    const said = await asked(NEED_AT_PIECES)
    expect(said).toHaveLength(NEED_AT_PIECES)
  })
})

test.each([
  [2 ** 20, 2 ** 20],
  [3 * 2 ** 16, REQUEST_BYTES - 2 ** 16],
  [2 ** 12, REQUEST_BYTES],
])('zeroes go to a Silo peer in whole blocks of %i bytes', async (blockSize, step) => {
  const { a, b } = memoryChannels()
  const size = 4 * step
  const to = new ToProtocol(new ProtocolRW([a], { dialect: 'silo' }), { dev: 1, size, blockSize, name: 'd' })
  const peer = new RawPeer(b)
  const zeroing = to.zeroAt(0, size)
  for (let index = 0; index < 4; index++) {
    const { packet, id } = await peer.hear('write-at', index)
    expect(packet).toMatchObject({ form: 'zeroes', offset: index * step, length: step })
    await peer.say(1, id, { kind: 'write-at-response', bytes: step })
  }
  expect(await zeroing).toBe(size)
})
