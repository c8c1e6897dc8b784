import { expect, test } from 'vitest'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { ToProtocol } from '../../src/protocol/to-protocol.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { memoryChannels } from '../../src/transports/memory.ts'

const BLOCK = 4096
const SIZE = 4 * BLOCK

/** A peer of dialect `silo` that has announced its disk, and what comes of it here. */
async function announced() {
  const { a, b } = memoryChannels()
  const [near, far] = await Promise.all([
    openConnection([a], { role: 'dialer', dialect: 'silo' }),
    openConnection([b], { role: 'listener', dialect: 'silo' }),
  ])
  const peer = new ToProtocol(near.rw, { dev: 1, size: SIZE, blockSize: BLOCK, name: 'disk' })
  const receiving = receiveDisk({ connection: far, create: () => new MemoryStorage(SIZE) })
  await peer.announce()
  return { peer, received: await receiving }
}

test('a silo peer that says it is done while blocks are missing is refused, and the disk stays its own', async () => {
  const { peer, received } = await announced()
  await peer.writeAt(new Uint8Array(3 * BLOCK).fill(1), 0)
  await expect(peer.event({ kind: 'event', type: 'completed' })).rejects.toMatchObject({ code: 'PEER_LOST' })
  await expect(received.handedOver).rejects.toMatchObject({ code: 'VERIFY_FAILED' })
  expect(received.disk.state).toBe('locked')
  expect(received.cache.missingBlocks).toBe(1)
})

test('and is believed once they are here', async () => {
  const { peer, received } = await announced()
  await peer.writeAt(new Uint8Array(SIZE).fill(1), 0)
  await peer.event({ kind: 'event', type: 'completed' })
  await received.handedOver
  expect(received.disk.state).toBe('open')
})
