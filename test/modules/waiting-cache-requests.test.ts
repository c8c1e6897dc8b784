import { describe, expect, it, vi } from 'vitest'
import { Bitfield } from '../../src/bitfield/bitfield.ts'
import { createWaitingCache } from '../../src/modules/waiting-cache.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { FlakyStorage, onCalls } from '../support/flaky-storage.ts'
import { HoleyStorage } from '../support/holey-storage.ts'
import { settled } from '../support/virtual-clock.ts'
import { BLOCK, closeLater, filled, type Rig, read, rig, slowRig, stored, watch } from '../support/waiting-cache-rig.ts'

describe('asking', () => {
  it('happens for all missing blocks of a read at once, once per run', async () => {
    const cache = rig()
    cache.remote.available(2 * BLOCK, 2 * BLOCK)
    const reader = read(cache, 0, 8 * BLOCK)
    expect(cache.requests).toEqual([
      ['need', 0, 2],
      ['need', 4, 4],
    ])
    await cache.remote.writeAt(filled(1, 8 * BLOCK), 0)
    expect(await reader).toHaveLength(8 * BLOCK)
  })

  it('happens once per block, whoever waits', async () => {
    const cache = rig()
    const readers = [read(cache, BLOCK, BLOCK), read(cache, 0, 3 * BLOCK), read(cache, BLOCK, 1)]
    expect(cache.requests).toEqual([
      ['need', 1, 1],
      ['need', 0, 1],
      ['need', 2, 1],
    ])
    await cache.remote.writeAt(filled(1, 3 * BLOCK), 0)
    await Promise.all(readers)
  })

  it('happens for both edges of a write at once', async () => {
    const cache = rig()
    const write = cache.local.writeAt(filled(1, 3 * BLOCK), BLOCK - 10)
    expect(cache.requests).toEqual([
      ['need', 0, 1],
      ['need', 3, 1],
    ])
    await cache.remote.writeAt(filled(2), 3 * BLOCK)
    await cache.remote.writeAt(filled(2), 0)
    expect(await write).toBe(3 * BLOCK)
    expect(cache.requests.at(-1)).toEqual(['dont', 0, 4])
    expect([stored(cache, 0, BLOCK - 10), stored(cache, BLOCK - 10, 3 * BLOCK)]).toEqual([2, 1])
  })

  it.each([
    [100, 10],
    [0, BLOCK - 1],
    [1, BLOCK - 1],
    [7 * BLOCK + 1, BLOCK],
  ])('happens for a write of bytes %i + %i inside one block', async (offset, length) => {
    const cache = rig()
    const write = cache.local.writeAt(filled(1, length), offset)
    const block = Math.floor(offset / BLOCK)
    expect(cache.requests).toEqual([['need', block, 1]])
    await cache.remote.writeAt(filled(2), block * BLOCK)
    expect(await write).toBe(Math.min(length, 8 * BLOCK - offset))
  })

  it('does not happen for blocks on their way into the storage', async () => {
    const cache = slowRig()
    const { clock } = cache
    const writes = [cache.remote.writeAt(filled(1), 0), cache.local.writeAt(filled(2), BLOCK)]
    const reader = read(cache, 0, 2 * BLOCK)
    await clock.advance(30)
    await Promise.all(writes)
    expect(await reader).toHaveLength(2 * BLOCK)
    expect(cache.requests).toEqual([['dont', 1, 1]])
  })

  it('happens again once a block was invalidated, for who waits and for who comes', async () => {
    const cache = rig()
    const waiting = watch(read(cache, 0, 2 * BLOCK))
    await cache.remote.writeAt(filled(1), 0)
    cache.remote.invalidate([0, 5])
    expect(cache.requests).toEqual([
      ['need', 0, 2],
      ['need', 0, 1],
    ])
    const late = watch(read(cache, 0, 1))
    expect(cache.requests).toHaveLength(2)
    await cache.remote.writeAt(filled(2), BLOCK)
    await settled()
    expect([waiting.state, late.state]).toEqual(['pending', 'pending'])
    await cache.remote.writeAt(filled(2), 0)
    await settled()
    expect([waiting.state, late.state]).toEqual(['done', 'done'])
  })

  it('happens again when a block is out of date before its reader has run on', async () => {
    const cache = rig()
    const reader = watch(read(cache, 0, 2 * BLOCK))
    cache.remote.writeAtSync!(filled(1, 2 * BLOCK), 0)
    cache.remote.invalidate([0])
    await settled()
    expect(reader.state).toBe('pending')
    expect(cache.requests).toEqual([
      ['need', 0, 2],
      ['need', 0, 1],
    ])
    await cache.remote.writeAt(filled(2), 0)
    await settled()
    expect(reader.state).toBe('done')
  })

  it('happens again for a block that the storage failed to take synchronously', async () => {
    const cache = rig({ over: (disk) => new FlakyStorage(disk, onCalls('write', {}, { effect: 0.5 })) })
    const first = watch(read(cache, 0, 1))
    expect(() => cache.remote.writeAtSync!(filled(1), 0)).toThrow('could not write')
    const second = watch(read(cache, 0, 1))
    expect(cache.requests).toHaveLength(2)
    cache.remote.writeAtSync!(filled(1), 0)
    await settled()
    expect([first.state, second.state]).toEqual(['done', 'done'])
  })

  it('may be answered before it returns', async () => {
    const cache: Rig = rig({
      needAt: (offset, length) => void cache.remote.writeAtSync!(filled(6, length), offset),
    })
    expect(await read(cache, 10, BLOCK)).toEqual([...filled(6)])
    expect(await cache.local.writeAt(filled(7, 2), 4 * BLOCK - 1)).toBe(2)
  })

  it('reports what a sink throws as uncaught, and the call waits on', async () => {
    const uncaught = vi.fn()
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException').on('uncaughtException', uncaught)
    try {
      const cache = rig({
        needAt: () => {
          throw new Error('sink')
        },
      })
      const reader = read(cache, 0, 1)
      await settled(true)
      expect(uncaught).toHaveBeenCalledOnce()
      await cache.remote.writeAt(filled(1), 0)
      expect(await reader).toEqual([1])
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  })
})

describe('what is here', () => {
  it('passes without a promise of ours', () => {
    const disk = new MemoryStorage(4 * BLOCK)
    const cache = createWaitingCache(disk, BLOCK)
    closeLater(cache.local)
    cache.remote.available(0, 2 * BLOCK)
    const made: Promise<number>[] = []
    vi.spyOn(disk, 'readAt').mockImplementation(() => {
      made.push(Promise.resolve(1))
      return made.at(-1)!
    })
    expect(cache.local.readAt(new Uint8Array(1), 2 * BLOCK - 1)).toBe(made[0])
  })

  it('is not delayed by who waits', async () => {
    const cache = rig()
    cache.remote.available(0, 2 * BLOCK)
    const waiting = watch(read(cache, BLOCK, 2 * BLOCK))
    expect(await read(cache, 0, 2 * BLOCK)).toHaveLength(2 * BLOCK)
    expect(await cache.local.writeAt(filled(1, 10), 5)).toBe(10)
    expect([waiting.state, cache.waitingCalls]).toEqual(['pending', 1])
  })

  it('becomes more by whole blocks only: pieces of one are stored and count for nothing', async () => {
    const cache = rig()
    await cache.remote.writeAt(filled(1, BLOCK / 2), 0)
    await cache.remote.writeAt(filled(2, BLOCK / 2), BLOCK / 2)
    await cache.remote.writeAt(filled(3, BLOCK), 2 * BLOCK - 1)
    expect([cache.missingBlocks, stored(cache, 0, BLOCK / 2), stored(cache, BLOCK / 2, BLOCK / 2)]).toEqual([8, 1, 2])
    cache.remote.available(0, BLOCK)
    expect(await read(cache, BLOCK / 2 - 1, 2)).toEqual([1, 2])
  })

  it('becomes more without data, by whole blocks inside a range', async () => {
    const cache = rig({ size: 6 * BLOCK + 10 })
    const reader = read(cache, 2 * BLOCK, 1)
    cache.remote.available(BLOCK + 1, 2 * BLOCK)
    expect(await reader).toEqual([0])
    cache.remote.available(5 * BLOCK - 1, 10 * BLOCK)
    expect(Array.from({ length: 7 }, (_, block) => cache.isPresent(block))).toEqual([0, 0, 1, 0, 0, 1, 1].map(Boolean))
    expect(cache.missingBlocks).toBe(4)
    cache.remote.available(-1, 5)
    cache.remote.available(Number.NaN, Number.NaN)
    expect(cache.missingBlocks).toBe(4)
  })

  it('is zeroed in place, and asked for where only a part is zeroed', async () => {
    const cache = rig()
    const zeroing = cache.local.zeroAt!(BLOCK - 1, BLOCK + 1)
    expect(cache.requests).toEqual([['need', 0, 1]])
    await cache.remote.writeAt(filled(3), 0)
    expect(await zeroing).toBe(BLOCK + 1)
    await cache.remote.writeAt(filled(4, 2 * BLOCK), 0)
    expect(await read(cache, BLOCK - 2, 3)).toEqual([3, 0, 0])
  })

  it('can be told and given to a later run', async () => {
    const first = rig()
    await first.remote.writeAt(filled(1, 2 * BLOCK), 0)
    await first.local.writeAt(filled(9), BLOCK)
    const present = first.presentBlocks()
    const own = first.ownBlocks()
    const disk = new MemoryStorage(8 * BLOCK)
    await disk.writeAt(filled(9), BLOCK)
    const second = createWaitingCache(disk, BLOCK, { present, own })
    closeLater(second.local)
    for (const field of [present, own]) field.free()
    expect(second.missingBlocks).toBe(6)
    second.remote.invalidate([0, 1])
    expect([second.isPresent(0), second.isPresent(1)]).toEqual([false, true])
    await second.remote.writeAt(filled(2, 2 * BLOCK), 0)
    expect(await read(second, BLOCK - 1, 2)).toEqual([2, 9])
  })

  it('takes blocks as a field, which stays the caller’s, or as any list', async () => {
    const cache = rig()
    cache.remote.available(0, 8 * BLOCK)
    const field = new Bitfield(8)
    field.setRange(1, 3)
    cache.remote.invalidate(field)
    expect([field.count(), cache.missingBlocks]).toEqual([2, 2])
    field.free()
    cache.remote.invalidate(new Set([7, 7, 0]))
    expect(cache.missingBlocks).toBe(4)
    for (const wrong of [[0, 8], [3, -1], [3, 0.5], new Bitfield(9)]) {
      expect(() => cache.remote.invalidate(wrong)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    }
    expect(cache.missingBlocks).toBe(4)
  })

  it('holds extents wherever something is missing', async () => {
    const cache = rig({ over: (disk) => new HoleyStorage(disk, 512) })
    cache.remote.available(0, 4 * BLOCK)
    await cache.local.writeAt(filled(1, 512), 512)
    expect(await cache.local.extents!(0, 6 * BLOCK)).toEqual([
      { offset: 512, length: 512 },
      { offset: 4 * BLOCK, length: 2 * BLOCK },
    ])
    expect(await cache.local.extents!(0, 4 * BLOCK)).toEqual([{ offset: 512, length: 512 }])
    expect(await cache.remote.extents!(0, 8 * BLOCK)).toEqual([{ offset: 512, length: 512 }])
  })

  it('is all there when whenComplete says so', async () => {
    const cache = rig({ blocks: 3 })
    const complete = watch(cache.whenComplete())
    await cache.remote.writeAt(filled(1, 2 * BLOCK), 0)
    cache.remote.invalidate([0])
    await cache.local.writeAt(filled(1), 2 * BLOCK)
    await settled()
    expect([complete.state, cache.missingBlocks]).toEqual(['pending', 1])
    await cache.remote.writeAt(filled(1), 0)
    await cache.whenComplete()
    expect(complete.state).toBe('done')
    expect(cache.requests).toEqual([['dont', 2, 1]])
  })
})
