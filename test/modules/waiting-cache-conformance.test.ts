import { describe, it } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { createWaitingCache, type WaitingCache } from '../../src/modules/waiting-cache.ts'
import { SOURCE_CAPABILITIES, type StorageCapabilities } from '../../src/sources/capabilities.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { storageProviderConformance } from '../conformance/storage-provider.ts'
import { HoleyStorage } from '../support/holey-storage.ts'
import { SlowStorage } from '../support/slow-storage.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const { memory, 'memory-sparse': sparse } = SOURCE_CAPABILITIES
const asynchronous: StorageCapabilities = { ...memory, largestSize: 2 ** 30, synchronous: [] }

const BLOCK = 4096

const kinds: Record<string, { capabilities: StorageCapabilities; create: (size: number) => StorageProvider }> = {
  memory: { capabilities: memory, create: (size) => new MemoryStorage(size) },
  'sparse memory': { capabilities: sparse, create: (size) => new MemoryStorage(size, { sparse: true }) },
  'a slow disk with holes': {
    capabilities: { ...asynchronous, extents: true },
    create: (size) =>
      new SlowStorage(new HoleyStorage(new MemoryStorage(size), 512), {
        clock: new VirtualClock(),
        latencyMs: () => 2,
      }),
  },
}

for (const [kind, { capabilities, create }] of Object.entries(kinds)) {
  describe(`a waiting cache over ${kind} with all blocks here keeps the storage contract:`, () => {
    const cases = storageProviderConformance({
      capabilities: { ...capabilities, synchronous: [] },
      create: async (size) => {
        const cache = createWaitingCache(create(size), BLOCK)
        cache.remote.available(0, size)
        return cache.local
      },
    })
    for (const { name, run } of cases) it(name, run)
  })

  if (kind === 'sparse memory') continue
  describe(`and so does its remote face, missing blocks or not, over ${kind}:`, () => {
    const cases = storageProviderConformance({
      capabilities,
      create: async (size) => createWaitingCache(create(size), BLOCK).remote,
    })
    for (const { name, run } of cases) it(name, run)
  })
}

/** A disk of which nothing is here at first; blocks of zeroes come some time after they were asked for, in any order. */
function arriving(disk: StorageProvider, seed: number): StorageProvider {
  const clock = new VirtualClock()
  const random = seededRandom(seed)
  const bring = async (offset: number, length: number) => {
    await clock.sleep(random() * 20)
    // The test may have closed the disk.
    await cache.remote.writeAt(new Uint8Array(length), offset).catch(() => {})
  }
  const cache: WaitingCache = createWaitingCache(disk, BLOCK, {
    needAt: (offset, length) => {
      for (let at = offset; at < offset + length; at += BLOCK) {
        void bring(at, Math.min(BLOCK, offset + length - at))
      }
    },
  })
  return cache.local
}

describe('while blocks arrive, the local face of a waiting cache keeps the contract:', () => {
  const cases = storageProviderConformance({
    // Nothing synchronous: such calls cannot wait.
    capabilities: { ...asynchronous, extents: true },
    create: async (size) => {
      const disk = new HoleyStorage(new MemoryStorage(size), 512)
      return arriving(new SlowStorage(disk, { clock: new VirtualClock() }), size)
    },
  })
  for (const { name, run } of cases) it(name, run)
})
