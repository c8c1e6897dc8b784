import { afterEach, describe, expect, it } from 'vitest'
import type { Bitfield } from '../../src/bitfield/bitfield.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import type { TrackingStorageProvider } from '../../src/storage/tracking-provider.ts'
import { trackingProviderConformance } from '../conformance/tracking-provider.ts'
import { FlakyStorage, onCalls } from '../support/flaky-storage.ts'
import { HoleyStorage } from '../support/holey-storage.ts'
import { SlowStorage } from '../support/slow-storage.ts'
import { settled, VirtualClock } from '../support/virtual-clock.ts'

const open: StorageProvider[] = []
afterEach(async () => {
  for (const disk of open.splice(0)) await disk.close()
})

function memory(size: number): MemoryStorage {
  const disk = new MemoryStorage(size)
  open.push(disk)
  return disk
}

function takeDirty(remote: TrackingStorageProvider): number[] {
  return members(remote.sync())
}

function members(field: Bitfield): number[] {
  const found: number[] = []
  for (let bit = field.nextSet(0); bit >= 0; bit = field.nextSet(bit + 1)) found.push(bit)
  field.free()
  return found
}

const kinds: Record<string, (size: number) => StorageProvider> = {
  memory: (size) => new MemoryStorage(size),
  'sparse memory': (size) => new MemoryStorage(size, { sparse: true }),
  'a disk with small holes': (size) => new HoleyStorage(new MemoryStorage(size), 512),
  'a slow disk': (size) => new SlowStorage(new MemoryStorage(size), { clock: new VirtualClock() }),
}
for (const [kind, create] of Object.entries(kinds)) {
  describe(`a dirty tracker over ${kind} keeps the contract:`, () => {
    const cases = trackingProviderConformance({
      create: async (size, blockSize) => createDirtyTracker(create(size), blockSize),
    })
    for (const { name, run } of cases) it(name, run)
  })
}

describe('createDirtyTracker', () => {
  it('finds the blocks Silo finds', async () => {
    const { local, remote } = createDirtyTracker(memory(4 << 20), 4096)
    await local.writeAt(new Uint8Array(9000), 10)
    expect(takeDirty(remote)).toEqual([])
    await remote.readAt(new Uint8Array(1_234_567), 10)
    for (const offset of [10, 10_000, 40_000]) await local.writeAt(new Uint8Array(9000), offset)
    expect(takeDirty(remote)).toEqual([0, 1, 2, 3, 4, 9, 10, 11])
    expect(takeDirty(remote)).toEqual([])
  })

  it.each([0, -4096, 4096.5, Number.NaN, 3000, 256, 2 ** 25, Number.POSITIVE_INFINITY])(
    'refuses block size %d',
    (blockSize) => {
      expect(() => createDirtyTracker(memory(10_000), blockSize)).toThrow(RangeError)
    },
  )

  it('marks when a write ends, not when it begins', async () => {
    const clock = new VirtualClock({ automatic: false })
    const { local, remote } = createDirtyTracker(new SlowStorage(memory(8192), { clock }), 4096)
    remote.trackAt(0, 8192)
    const write = local.writeAt(new Uint8Array(10), 0)
    await settled()
    expect(remote.dirtyBlocks).toBe(0)
    await clock.advance(1)
    await write
    expect(takeDirty(remote)).toEqual([0])
  })

  it('loses no write that was in flight across sync', async () => {
    const clock = new VirtualClock({ automatic: false })
    const { local, remote } = createDirtyTracker(new SlowStorage(memory(8192), { clock }), 4096)
    remote.trackAt(0, 8192)
    const write = local.writeAt(new Uint8Array(10), 0)
    await settled()
    expect(takeDirty(remote)).toEqual([])
    await clock.advance(1)
    await write
    expect(takeDirty(remote)).toEqual([0])
  })

  it('switches tracking on before it reads, not after', async () => {
    const clock = new VirtualClock({ automatic: false })
    const slow = new SlowStorage(memory(8192), { clock, latencyMs: () => 10 })
    const { local, remote } = createDirtyTracker(slow, 4096)
    const read = remote.readAt(new Uint8Array(4096), 0)
    const write = local.writeAt(new Uint8Array(10), 0)
    await clock.advance(10)
    await Promise.all([read, write])
    expect(takeDirty(remote)).toEqual([0])
  })

  it('switches tracking on before it reads synchronously', () => {
    const disk = memory(8192)
    const seen: number[] = []
    const { local, remote } = createDirtyTracker(
      new FlakyStorage(disk, ({ operation }) => {
        // A write that comes from inside the read stands for one that lands between tracking and reading.
        if (operation === 'read') local.writeAtSync!(new Uint8Array(1), 0)
        return undefined
      }),
      4096,
    )
    remote.readAtSync!(new Uint8Array(4096), 0)
    seen.push(...takeDirty(remote))
    expect(seen).toEqual([0])
  })

  it('switches tracking on before it asks for holes', async () => {
    const disk = new HoleyStorage(memory(8192), 512)
    const { local, remote } = createDirtyTracker(
      new FlakyStorage(disk, ({ operation }) => {
        if (operation === 'extents') local.writeAtSync!(new Uint8Array(1).fill(1), 0)
        return undefined
      }),
      4096,
    )
    await remote.extents!(0, 4096)
    expect(takeDirty(remote)).toEqual([0])
  })

  it.each(['reject', 'throw', 'short'] as const)('marks the blocks of a write that fails (%s)', async (how) => {
    const disk = new FlakyStorage(memory(5 * 4096), onCalls('write', { times: 2 }, { how, effect: 0.5 }))
    const { local, remote } = createDirtyTracker(disk, 4096)
    remote.trackAt(0, disk.size)
    // With a signal the write takes the asynchronous way, without it the synchronous one.
    await local.writeAt(new Uint8Array(4097), 4095, { signal: new AbortController().signal }).catch(() => {})
    expect(takeDirty(remote)).toEqual([0, 1])
    remote.trackAt(0, disk.size)
    await local.writeAt(new Uint8Array(4097), 4095).catch(() => {})
    expect(takeDirty(remote)).toEqual([0, 1])
    expect(disk.faults).toBe(2)
  })

  it('marks the blocks of a synchronous write and of a discard that fail', async () => {
    const disk = new FlakyStorage(memory(5 * 4096), () => ({}))
    const { local, remote } = createDirtyTracker(disk, 4096)
    remote.trackAt(0, disk.size)
    expect(() => local.writeAtSync!(new Uint8Array(10), 4095)).toThrow('could not write')
    await expect(local.zeroAt!(3 * 4096, 4096)).rejects.toMatchObject({ code: 'WRITE_FAILED' })
    expect(takeDirty(remote)).toEqual([0, 1, 3])
  })

  it('offers what the disk offers and nothing else', () => {
    const fast = createDirtyTracker(memory(8192), 4096)
    expect([fast.local.writeAtSync, fast.remote.readAtSync, fast.local.zeroAt].every(Boolean)).toBe(true)
    expect(fast.remote.extents).toBeUndefined()
    const slow = createDirtyTracker(
      new SlowStorage(memory(8192), { clock: new VirtualClock(), hide: ['zeroAt'] }),
      4096,
    )
    const { local, remote } = slow
    expect([local.writeAtSync, local.readAtSync, local.zeroAt, remote.readAtSync, remote.zeroAt]).toEqual(
      new Array(5).fill(undefined),
    )
  })

  it('lets a claim be given back twice without freeing a later one', () => {
    const { remote } = createDirtyTracker(memory(8192), 4096)
    const first = remote.claim!()
    first()
    const second = remote.claim!()
    first()
    expect(() => remote.claim!()).toThrow(expect.objectContaining({ code: 'BUSY' }))
    second()
  })

  it('finds blocks far beyond 32 bits of offset', async () => {
    const size = 2 ** 45 - 1
    const disk = new MemoryStorage(size, { sparse: true })
    open.push(disk)
    const { local, remote } = createDirtyTracker(disk, 2 ** 24)
    remote.trackAt(2 ** 40 - 1, 2)
    remote.trackAt(size - 1, 1)
    await local.writeAt(new Uint8Array(2), 2 ** 40 - 1)
    await local.writeAt(new Uint8Array(2), 2 ** 41)
    await local.writeAt(new Uint8Array(1), size - 1)
    expect(takeDirty(remote)).toEqual([2 ** 16 - 1, 2 ** 16, 2 ** 21 - 1])
  })

  it('costs nothing for what was never read: memory of a terabyte is two bits a block', () => {
    const before = process.memoryUsage().rss
    const { remote } = createDirtyTracker(new MemoryStorage(2 ** 40, { sparse: true }), 65536)
    expect(remote.dirtyBlocks).toBe(0)
    expect(process.memoryUsage().rss - before).toBeLessThan(32 << 20)
  })
})
