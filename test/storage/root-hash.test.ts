import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/async/clock.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { createBlockHasher, DIGEST_BYTES, type HashName } from '../../src/storage/block-hasher.ts'
import { digestText, HashTree } from '../../src/storage/hash-tree.ts'
import { rootHash } from '../../src/storage/root-hash.ts'
import { pattern } from '../conformance/storage-provider-io.ts'
import { FlakyStorage, onCalls } from '../support/flaky-storage.ts'

async function disk(content: Uint8Array, sparse = false): Promise<MemoryStorage> {
  const storage = new MemoryStorage(content.length, { sparse })
  await storage.writeAt(content, 0)
  return storage
}

describe('rootHash', () => {
  it.each<HashName>(['xxh128', 'blake3'])('is the root of the tree over the whole disk, %s', async (hash) => {
    const content = pattern(2 ** 20 + 12_345)
    const storage = await disk(content)
    for (const blockSize of [512, 65536, 2 ** 22]) {
      const tree = new HashTree(content.length, blockSize, await createBlockHasher(hash))
      tree.update(0, content)
      const root = await rootHash(storage, { blockSize, hash })
      expect(root.length).toBe(DIGEST_BYTES)
      expect(digestText(root)).toBe(digestText(tree.root()))
    }
    await storage.close()
  })

  it('is the same for the same content, however it is kept, and another for other content', async () => {
    const content = pattern(200_001)
    const [dense, sparse, other] = [await disk(content), await disk(content, true), await disk(content)]
    await other.writeAt(Uint8Array.of(0), 200_000)
    const [a, b, c] = [await rootHash(dense), await rootHash(sparse), await rootHash(other)]
    expect(digestText(a)).toBe(digestText(b))
    expect(digestText(a)).not.toBe(digestText(c))
    for (const storage of [dense, sparse, other]) await storage.close()
  })

  it('differs between the hashes', async () => {
    const storage = await disk(pattern(1000))
    const roots = [await rootHash(storage), await rootHash(storage, { hash: 'blake3' })]
    expect(new Set(roots.map(digestText)).size).toBe(2)
    await storage.close()
  })

  it('reports progress and ends with ABORTED when told to', async () => {
    const storage = new MemoryStorage(5 * 2 ** 20 + 1)
    const steps: number[] = []
    await rootHash(storage, { progress: (bytes) => steps.push(bytes) })
    expect(steps.at(-1)).toBe(storage.size)
    expect(steps).toEqual([...steps].sort((a, b) => a - b))
    const controller = new AbortController()
    const aborted = rootHash(storage, { signal: controller.signal, progress: () => controller.abort() })
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' })
    await storage.close()
  })

  it('passes on a failing and a short read', async () => {
    const storage = new FlakyStorage(new MemoryStorage(5 * 2 ** 20), onCalls('read', { from: 3 }))
    await expect(rootHash(storage)).rejects.toMatchObject({ code: 'READ_FAILED' })
    storage.plan = onCalls('read', { from: 5 }, { how: 'short', effect: 1 })
    await expect(rootHash(storage)).rejects.toMatchObject({ code: 'SHORT_READ' })
    storage.plan = undefined
    await rootHash(storage)
    await storage.close()
  })

  it('hears of a read ahead that fails while others have their turn', async () => {
    const unheard: unknown[] = []
    const hear = (reason: unknown) => unheard.push(reason)
    process.on('unhandledRejection', hear)
    try {
      const storage = new FlakyStorage(new MemoryStorage(5 * 2 ** 20), onCalls('read', { from: 2 }))
      let now = 0
      const clock = {
        ...systemClock,
        // Each look is a long time after the one before: there is a turn after each step.
        now: () => (now += 1000),
        yield: async () => {
          for (let turn = 0; turn < 3; turn++) await systemClock.yield()
        },
      }
      await expect(rootHash(storage, { clock })).rejects.toMatchObject({ code: 'READ_FAILED' })
      await systemClock.yield()
      expect(unheard).toEqual([])
      await storage.close()
    } finally {
      process.off('unhandledRejection', hear)
    }
  })

  it.each([0, -512, 512.5, Number.NaN, 1000])('refuses block size %d', async (blockSize) => {
    const storage = new MemoryStorage(1000)
    await expect(rootHash(storage, { blockSize })).rejects.toBeInstanceOf(RangeError)
    await storage.close()
  })
})

it('lets other tasks run while it walks a disk in memory', async () => {
  const disk = new MemoryStorage(64 * 2 ** 20)
  let turns = 0
  const controller = new AbortController()
  const others = setInterval(() => {
    turns++
    controller.abort()
  }, 1)
  await expect(rootHash(disk, { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' })
  clearInterval(others)
  expect(turns).toBeGreaterThan(0)
  await disk.close()
})
