import { describe, expect, test } from 'vitest'
import type { OfferedDisk } from '../../src/devices/offered-disk.ts'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { siloSchema } from '../../src/devices/silo-schema.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import type { Packet } from '../../src/protocol/packets/packet.ts'
import type { Dialect } from '../../src/protocol/protocol-rw.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import { RawPeer } from '../protocol/raw-peer.ts'

const SIZE = 65536
const BLOCK = 4096

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
    /** What was asked of whoever makes places. */
    const offers: OfferedDisk[] = []
    const create = (offer: OfferedDisk) => {
      offers.push(offer)
      return new MemoryStorage(offer.size)
    }
    const receiving = receiveDisk({ connection, create })
    receiving.catch(() => {})
    await peer.say(dev, 2, packet)
    return { receiving, peer, offers, connection }
  }

  test.each([
    ['2^53 - 1 bytes', { size: 2 ** 53 - 1 }, 'LIMIT_EXCEEDED'],
    ['0 bytes', { size: 0 }, 'MALFORMED'],
    ['blocks of no power of two', { blockSize: 4097 }, 'MALFORMED'],
    ['blocks of 2 GiB', { blockSize: 2 ** 31 }, 'MALFORMED'],
  ])('with %s is refused before a place is made', async (_, changes, code) => {
    const { receiving, offers } = await offered({ ...info, ...changes })
    await expect(receiving).rejects.toMatchObject({ code })
    expect(offers).toEqual([])
  })

  test.each([[0], [2], [2 ** 32 - 1]])('as device %i of a group is refused', async (dev) => {
    const group = { kind: 'device-group-info', devices: [{ ...info, dev }] } as const
    const { receiving, peer, offers } = await offered(group, 0, 'silo')
    await expect(receiving).rejects.toMatchObject({ code: 'MALFORMED' })
    expect(await peer.ended).toBeDefined()
    expect(offers).toEqual([])
  })

  test.each([
    ['names a file', 'device "d" {\n  system = "file"\n  size = "65536"\n  location = "/etc/passwd"\n}\n'],
    ['has a size that is none', 'device "d" {\n  system = "sparsefile"\n  size = "x"\n  binlog = "/etc/shadow"\n}\n'],
    ['is none', '{{{{\u0000'],
  ])('with a schema that %s is known by name, size and block size alone', async (_, schema) => {
    const name = '../../etc/passwd'
    const group = { kind: 'device-group-info', devices: [{ ...info, dev: 1, schema }] } as const
    for (const [packet, dev, dialect] of [
      [group, 0, 'silo'],
      [{ ...info, schema }, 1, 'silo'],
      [{ ...info, schema }, 1, 'blockferry/1'],
    ] as const) {
      const { receiving, offers } = await offered(packet, dev, dialect)
      expect((await receiving).size).toBe(SIZE)
      expect(offers).toEqual([{ name, size: SIZE, blockSize: BLOCK }])
    }
  })

  test('is not handed over by an event, as in the other dialect', async () => {
    const { receiving, peer } = await offered(info)
    const { disk } = await receiving
    await peer.say(1, 3, { kind: 'event', type: 'completed' })
    expect((await peer.hear('failure-response')).packet).toMatchObject({ code: 'MALFORMED' })
    expect(disk.state).toBe('locked')
  })

  test('does not become present by the word of its source', async () => {
    const blocks = Uint32Array.of(0, 1)
    for (const dialect of ['silo', 'blockferry/1'] as const) {
      const { receiving, peer } = await offered(info, 1, dialect)
      const { cache } = await receiving
      await peer.say(1, 3, { kind: 'write-at', form: 'you-already-have', blockSize: BLOCK, blocks })
      const { packet } = await peer.hear(dialect === 'silo' ? 'write-at-response-error' : 'failure-response')
      if (packet.kind === 'failure-response') expect(packet.code).toBe('NOT_SUPPORTED')
      expect(cache.missingBlocks).toBe(SIZE / BLOCK)
    }
  })
})

test('a disk is described to a Silo peer without a path, an address or a credential', () => {
  expect(siloSchema({ name: 'my "disk"', size: SIZE, blockSize: BLOCK })).toBe(`device "my \\"disk\\"" {
  size         = "65536"
  system       = "memory"
  blocksize    = "4096"
  expose       = false
  location     = ""
  sourcehashes = ""
  sourceshared = false
  loadbinlog   = ""
  binlog       = ""
  pid          = 0
}
`)
})
