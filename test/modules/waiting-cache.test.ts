import { describe, expect, it, vi } from 'vitest'
import { createWaitingCache } from '../../src/modules/waiting-cache.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { settled } from '../support/virtual-clock.ts'
import { BLOCK, closeLater, filled, read, rig, slowRig, stored, watch } from '../support/waiting-cache-rig.ts'

describe('Silo expects of a waiting cache that', () => {
  it('a read waits for its block, and the next one does not', async () => {
    const cache = slowRig()
    const { clock } = cache
    const first = watch(read(cache, 0, BLOCK))
    await clock.advance(50)
    expect(first.state).toBe('pending')
    const arriving = cache.remote.writeAt(filled(7), 0)
    await clock.advance(9)
    expect(first.state).toBe('pending')
    await clock.advance(11)
    await arriving
    expect(first.state).toBe('done')
    const second = read(cache, 0, BLOCK)
    await clock.advance(10)
    expect(await second).toEqual([...filled(7)])
  })

  it('a disk of 6000 bytes has a short last block like any other', async () => {
    const cache = rig({ size: 6000 })
    const all = read(cache, 0, 10_000)
    const tail = read(cache, 5999, 1)
    await cache.remote.writeAt(filled(1), 0)
    await cache.remote.writeAt(filled(2, 6000 - BLOCK), BLOCK)
    expect(await tail).toEqual([2])
    expect(await all).toEqual([...filled(1), ...filled(2, 6000 - BLOCK)])
    expect(cache.requests).toEqual([['need', 0, 2]])
    expect(cache.missingBlocks).toBe(0)
  })

  it('writing a whole block here releases its reader and survives what arrives later', async () => {
    const cache = rig()
    const reader = read(cache, 0, BLOCK)
    await cache.local.writeAt(filled(9), 0)
    expect(await reader).toEqual([...filled(9)])
    expect(await cache.remote.writeAt(filled(1), 0)).toBe(BLOCK)
    expect(await read(cache, 0, BLOCK)).toEqual([...filled(9)])
    expect(cache.requests).toEqual([
      ['need', 0, 1],
      ['dont', 0, 1],
    ])
  })

  it('a write that ends inside a block waits for that block (ARCH-61)', async () => {
    const cache = rig({ size: 3 * BLOCK + 100 })
    const write = watch(cache.local.writeAt(filled(9, BLOCK + 50), 2 * BLOCK))
    await settled()
    expect(write.state).toBe('pending')
    expect(cache.requests).toEqual([['need', 3, 1]])
    await cache.remote.writeAt(filled(1, 100), 3 * BLOCK)
    await settled()
    expect(write.state).toBe('done')
    expect(await read(cache, 3 * BLOCK, 100)).toEqual([...filled(9, 50), ...filled(1, 50)])
    expect(cache.requests).toEqual([
      ['need', 3, 1],
      ['dont', 2, 2],
    ])
  })

  it('a block written here is read here at once', async () => {
    const cache = rig()
    await cache.local.writeAt(filled(3, 2 * BLOCK), BLOCK)
    expect(await read(cache, BLOCK, 2 * BLOCK)).toEqual([...filled(3, 2 * BLOCK)])
    expect(cache.requests).toEqual([['dont', 1, 2]])
  })
})

describe('a bug that Silo has and this has not:', () => {
  it('C1: blocks are asked for, and declined', async () => {
    const cache = rig()
    const reader = read(cache, 3 * BLOCK + 5, 10)
    await cache.local.writeAt(filled(1), 5 * BLOCK)
    expect(cache.requests).toEqual([
      ['need', 3, 1],
      ['dont', 5, 1],
    ])
    await cache.remote.writeAt(filled(4), 3 * BLOCK)
    expect(await reader).toEqual([...filled(4, 10)])
  })

  it('C4: a local write that begins while the block is being stored is not overwritten', async () => {
    const cache = slowRig()
    const { clock } = cache
    const arriving = cache.remote.writeAt(filled(1), 0)
    await clock.advance(5)
    const write = cache.local.writeAt(filled(9), 0)
    await clock.advance(5)
    expect(stored(cache, 0)).toBe(1)
    await clock.advance(10)
    await Promise.all([arriving, write])
    expect(stored(cache, 0)).toBe(9)
  })

  it('C4: a block that arrives while a local write is under way does not overwrite it', async () => {
    const cache = slowRig()
    const { clock } = cache
    const write = cache.local.writeAt(filled(9), 0)
    await clock.advance(5)
    const arriving = cache.remote.writeAt(filled(1, 2 * BLOCK), 0)
    await clock.advance(100)
    expect(await Promise.all([write, arriving])).toEqual([BLOCK, 2 * BLOCK])
    expect([stored(cache, 0), stored(cache, BLOCK)]).toEqual([9, 1])
  })

  it('C4: nor does it overwrite one that covers the block in part', async () => {
    const cache = slowRig()
    const { clock } = cache
    cache.remote.available(0, BLOCK)
    const write = cache.local.writeAt(filled(9, 10), 100)
    await clock.advance(5)
    const arriving = cache.remote.writeAt(filled(1), 0)
    await clock.advance(100)
    await Promise.all([write, arriving])
    expect([stored(cache, 0, 100), stored(cache, 100, 10), stored(cache, 110, BLOCK - 110)]).toEqual([0, 9, 0])
  })

  it('C12: calls of length 0 are nothing', async () => {
    const cache = rig()
    for (const face of [cache.local, cache.remote]) {
      expect(await face.readAt(new Uint8Array(0), 0)).toBe(0)
      expect(await face.writeAt(new Uint8Array(0), 0)).toBe(0)
      expect(await face.zeroAt!(0, 0)).toBe(0)
    }
    cache.remote.available(0, 0)
    expect([cache.missingBlocks, cache.requests]).toEqual([8, []])
  })

  it('C14: what arrives unaligned goes around blocks written here', async () => {
    const cache = rig()
    await cache.local.writeAt(filled(9), 2 * BLOCK)
    expect(await cache.remote.writeAt(filled(1, 4 * BLOCK), 100)).toBe(4 * BLOCK)
    expect(await cache.remote.writeAt(filled(2, 20), 2 * BLOCK + 5)).toBe(20)
    expect(await cache.remote.zeroAt!(2 * BLOCK - 10, 20)).toBe(20)
    expect([stored(cache, 100, 2 * BLOCK - 110), stored(cache, 2 * BLOCK - 10, 10)]).toEqual([1, 0])
    expect([stored(cache, 2 * BLOCK), stored(cache, 3 * BLOCK, BLOCK + 100)]).toEqual([9, 1])
    expect(Array.from({ length: 8 }, (_, block) => cache.isPresent(block))).toEqual(
      [0, 1, 1, 1, 0, 0, 0, 0].map(Boolean),
    )
  })

  it('C18: a copy under way when its block is invalidated makes nothing present', async () => {
    const cache = slowRig()
    const { clock } = cache
    const older = cache.remote.writeAt(filled(1, 3 * BLOCK), 0)
    const reader = watch(read(cache, BLOCK, BLOCK))
    await clock.advance(5)
    cache.remote.invalidate([1])
    await clock.advance(100)
    await older
    expect([0, 1, 2].map((block) => cache.isPresent(block))).toEqual([true, false, true])
    expect(reader.state).toBe('pending')
    const newer = cache.remote.writeAt(filled(2), BLOCK)
    await clock.advance(100)
    await newer
    expect(reader.state).toBe('done')
    expect(stored(cache, BLOCK)).toBe(2)
  })

  it('C18: nor does a copy that was held back when its block was invalidated', async () => {
    const cache = slowRig()
    const { clock } = cache
    const first = cache.remote.writeAt(filled(1), 0)
    const second = cache.remote.writeAt(filled(2), 0)
    cache.remote.invalidate([0])
    const third = cache.remote.writeAt(filled(3), 0)
    await clock.advance(15)
    await first
    expect(cache.isPresent(0)).toBe(false)
    await clock.advance(10)
    await second
    expect([stored(cache, 0), cache.isPresent(0)]).toEqual([2, false])
    await clock.advance(10)
    await third
    expect([stored(cache, 0), cache.isPresent(0)]).toEqual([3, true])
  })

  it('C30: what is stored can be read at the remote face, missing or not', async () => {
    const cache = rig()
    await cache.remote.writeAt(filled(5, 10), 0)
    const target = new Uint8Array(10)
    expect(await cache.remote.readAt(target, 0)).toBe(10)
    expect([...target]).toEqual([...filled(5, 10)])
  })
})

describe('createWaitingCache', () => {
  it.each([0, 4097, 256, Number.NaN])('refuses block size %d', (blockSize) => {
    expect(() => createWaitingCache(new MemoryStorage(10_000), blockSize)).toThrow(RangeError)
  })

  it('flushes the destination through both faces', async () => {
    const cache = rig()
    const flushed = vi.spyOn(cache.disk, 'flush')
    await cache.local.flush()
    await cache.remote.flush()
    expect(flushed).toHaveBeenCalledTimes(2)
  })

  it('costs three bits a block: a terabyte is 6 MiB', async () => {
    const before = process.memoryUsage().rss
    const cache = createWaitingCache(new MemoryStorage(2 ** 40, { sparse: true }), 65536)
    closeLater(cache.local)
    const reader = cache.local.readAt(new Uint8Array(1), 2 ** 40 - 1)
    await cache.remote.writeAt(filled(1, 65536), 2 ** 40 - 65536)
    await reader
    expect(cache.missingBlocks).toBe(2 ** 24 - 1)
    expect(process.memoryUsage().rss - before).toBeLessThan(48 << 20)
  })
})
