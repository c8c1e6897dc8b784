import { describe, expect, test } from 'vitest'
import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { sendDisk } from '../../src/devices/send-disk.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import type { Dialect } from '../../src/protocol/protocol-rw.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { memoryChannels } from '../../src/transports/memory.ts'

const BLOCK_SIZE = 4096
const SIZE = 1000 * BLOCK_SIZE + 123

async function connect(dialect: Dialect) {
  const { a, b, sever } = memoryChannels()
  const [near, far] = await Promise.all([
    openConnection([a], { dialect, role: 'dialer' }),
    openConnection([b], { dialect, role: 'listener' }),
  ])
  return { near, far, sever }
}

function filledDisk(): MemoryStorage {
  const disk = new MemoryStorage(SIZE)
  for (let block = 0; block < 1000; block += 3)
    disk.writeAtSync(new Uint8Array(BLOCK_SIZE).fill(block % 251), block * BLOCK_SIZE)
  return disk
}

describe.each(['silo', 'blockferry/1'] as const)('a disk sent over a connection in dialect %s', (dialect) => {
  test('arrives while it is written, and is handed over', async () => {
    const { near, far } = await connect(dialect)
    const source = filledDisk()
    const destination = new MemoryStorage(SIZE)
    const { local, remote } = createDirtyTracker(source, BLOCK_SIZE)
    const stop = new AbortController()
    const writer = (async () => {
      for (let round = 0; !stop.signal.aborted; round++) {
        await local.writeAt(new Uint8Array(700).fill(round % 256), (round * 7919) % (SIZE - 700), {
          signal: stop.signal,
        })
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    })().catch(() => {})
    const sending = sendDisk({ connection: near, source: remote, name: 'disk', maxPauseMs: 5000 })
    const received = await receiveDisk({ connection: far, create: () => destination })
    expect(received).toMatchObject({ name: 'disk', size: SIZE, blockSize: BLOCK_SIZE })
    const { root } = await sending
    const theirs = await received.handedOver
    if (dialect === 'blockferry/1') expect(theirs).toEqual(root)
    stop.abort()
    await writer
    expect((await compareDisks(source, destination, BLOCK_SIZE)).bytes).toBe(0)
    expect(received.cache.missingBlocks).toBe(0)
    await received.disk.writeAt(new Uint8Array([1, 2, 3]), 5)
    await near.close()
  })

  test('can be read over there before its blocks have arrived', async () => {
    const { near, far } = await connect(dialect)
    const source = filledDisk()
    const { remote } = createDirtyTracker(source, BLOCK_SIZE)
    let reading: Promise<number> | undefined
    let missing = 0
    const target = new Uint8Array(10)
    const receiving = receiveDisk({ connection: far, create: () => new MemoryStorage(SIZE) }).then((received) => {
      reading = received.disk.readAt(target, 999 * BLOCK_SIZE)
      void reading.then(() => {
        missing = received.cache.missingBlocks
      })
      return received
    })
    await sendDisk({ connection: near, source: remote, name: 'disk', runBytes: BLOCK_SIZE, concurrency: { any: 1 } })
    await (await receiving).handedOver
    expect(await reading).toBe(10)
    expect(target[0]).toBe(999 % 251)
    // It came before its turn, although it was asked for before the first block was sent.
    expect(missing).toBeGreaterThan(500)
    await near.close()
  })

  test('arrives whole when its blocks are larger than one request, and empty', async () => {
    const { near, far } = await connect(dialect)
    const size = 4 * 2 ** 20
    const source = new MemoryStorage(size)
    source.writeAtSync(new Uint8Array(10).fill(3), 2 ** 20)
    const destination = new MemoryStorage(size)
    const { remote } = createDirtyTracker(source, 2 ** 20)
    const receiving = receiveDisk({ connection: far, create: () => destination })
    await sendDisk({ connection: near, source: remote, name: 'disk' })
    const received = await receiving
    await received.handedOver
    expect(received.cache.missingBlocks).toBe(0)
    expect((await compareDisks(source, destination, 2 ** 20)).bytes).toBe(0)
    await near.close()
  })

  test('stays at the source when the peer goes away in the middle', async () => {
    const { near, far, sever } = await connect(dialect)
    const source = filledDisk()
    const { local, remote } = createDirtyTracker(source, BLOCK_SIZE)
    const sending = sendDisk({
      connection: near,
      source: remote,
      name: 'disk',
      runBytes: BLOCK_SIZE,
      progressIntervalMs: 0,
      progressHandler: ({ movedBlocks }) => {
        if (movedBlocks > 100) sever()
      },
    })
    const received = await receiveDisk({ connection: far, create: () => new MemoryStorage(SIZE) })
    await expect(sending).rejects.toMatchObject({ code: 'PEER_LOST' })
    await expect(received.handedOver).rejects.toMatchObject({ code: 'PEER_LOST' })
    await expect(received.disk.readAt(new Uint8Array(SIZE), 0)).rejects.toMatchObject({ code: 'PEER_LOST' })
    await local.writeAt(new Uint8Array([1]), 0)
  })

  test('is refused with a reason when there is no place for it', async () => {
    const { near, far } = await connect(dialect)
    const { remote } = createDirtyTracker(filledDisk(), BLOCK_SIZE)
    const sending = sendDisk({ connection: near, source: remote, name: 'disk' })
    await expect(receiveDisk({ connection: far, create: () => new MemoryStorage(5) })).rejects.toMatchObject({
      code: 'SIZE_MISMATCH',
    })
    // Silo has no words for the reason.
    await expect(sending).rejects.toMatchObject({ code: dialect === 'silo' ? 'PEER_LOST' : 'SIZE_MISMATCH' })
  })
})
