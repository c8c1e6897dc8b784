import { describe, expect, it, vi } from 'vitest'
import { Lockable } from '../../src/modules/lockable.ts'
import { createWaitingCache } from '../../src/modules/waiting-cache.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { FlakyStorage, onCalls } from '../support/flaky-storage.ts'
import { SlowStorage } from '../support/slow-storage.ts'
import { settled, VirtualClock } from '../support/virtual-clock.ts'
import { BLOCK, closeLater, filled, read, rig, slowRig, stored, watch } from '../support/waiting-cache-rig.ts'

describe('writes', () => {
  it('of other blocks are not held up by one block', async () => {
    const clock = new VirtualClock({ automatic: false })
    const latencies = [30]
    const cache = rig({ over: (disk) => new SlowStorage(disk, { clock, latencyMs: () => latencies.pop() ?? 10 }) })
    const local = watch(cache.local.writeAt(filled(9), 3 * BLOCK))
    const arriving = watch(cache.remote.writeAt(filled(1, 8 * BLOCK), 0))
    const other = watch(cache.local.writeAt(filled(8), 4 * BLOCK))
    await clock.advance(20)
    expect([local.state, arriving.state, other.state, cache.missingBlocks]).toEqual(['pending', 'pending', 'done', 1])
    expect([0, 2, 4, 7].map((block) => stored(cache, block * BLOCK))).toEqual([1, 1, 8, 1])
    await clock.advance(10)
    expect([local.state, arriving.state, stored(cache, 3 * BLOCK)]).toEqual(['done', 'done', 9])
  })

  it('take effect in the order of the calls, also when the first has to wait', async () => {
    const cache = rig()
    const first = cache.local.writeAt(filled(1, BLOCK + 10), BLOCK)
    const second = watch(cache.local.writeAt(filled(2), BLOCK))
    const third = watch(cache.local.writeAt(filled(3), 4 * BLOCK))
    await settled()
    expect([second.state, third.state]).toEqual(['pending', 'done'])
    await cache.remote.writeAt(filled(7), 2 * BLOCK)
    await first
    await settled()
    expect(second.state).toBe('done')
    expect([stored(cache, BLOCK), stored(cache, 2 * BLOCK, 10), stored(cache, 2 * BLOCK + 10, 100)]).toEqual([2, 1, 7])
  })

  it('behind one that fails go on', async () => {
    const cache = rig()
    const first = cache.local.writeAt(filled(1, BLOCK + 10), BLOCK)
    const second = cache.local.writeAt(filled(2), BLOCK)
    cache.fail()
    await expect(first).rejects.toMatchObject({ code: 'PEER_LOST' })
    expect(await second).toBe(BLOCK)
    expect(stored(cache, BLOCK)).toBe(2)
  })

  it('that fail here own nothing: what arrives is taken', async () => {
    const cache = rig({ over: (disk) => new FlakyStorage(disk, onCalls('write', {}, { effect: 0.5 })) })
    await expect(cache.local.writeAt(filled(9, 2 * BLOCK), 0)).rejects.toMatchObject({ code: 'WRITE_FAILED' })
    expect([cache.missingBlocks, cache.requests]).toEqual([8, []])
    const reader = read(cache, 0, BLOCK)
    expect(cache.requests).toEqual([['need', 0, 1]])
    await cache.remote.writeAt(filled(1), 0)
    expect(await reader).toEqual([...filled(1)])
  })

  it('that fail here make who waited for them ask', async () => {
    const cache = slowRig()
    const { clock } = cache
    const abort = new AbortController()
    const write = cache.local.writeAt(filled(9), 0, { signal: abort.signal })
    const reader = watch(read(cache, 0, 1))
    expect(cache.requests).toEqual([])
    abort.abort()
    await expect(write).rejects.toMatchObject({ code: 'ABORTED' })
    expect(cache.requests).toEqual([['need', 0, 1]])
    expect(reader.state).toBe('pending')
    await clock.advance(0)
  })

  it.each(['reject', 'throw', 'short'] as const)(
    'that fail while a newer copy is stored (%s) leave the block missing',
    async (how) => {
      const plan = onCalls('write', { from: 2 }, { how, effect: 0.5 })
      const cache = rig({
        over: (disk) => new FlakyStorage(new SlowStorage(disk, { clock: new VirtualClock() }), plan),
      })
      await cache.remote.writeAt(filled(1, 3 * BLOCK), 0)
      const code = how === 'short' ? 'SHORT_WRITE' : 'WRITE_FAILED'
      await expect(cache.remote.writeAt(filled(2, BLOCK + 10), BLOCK)).rejects.toMatchObject({ code })
      expect([0, 1, 2].map((block) => cache.isPresent(block))).toEqual([true, false, false])
      const reader = read(cache, BLOCK, 1)
      expect(cache.requests).toEqual([['need', 1, 1]])
      await cache.remote.writeAt(filled(3, 2 * BLOCK), BLOCK)
      expect(await reader).toEqual([3])
      expect(cache.missingBlocks).toBe(5)
    },
  )

  it('check the block again when an invalidation came while they were held back', async () => {
    const cache = slowRig()
    const { clock } = cache
    const arrived = cache.remote.writeAt(filled(1), 0)
    await clock.advance(10)
    await arrived
    const again = cache.remote.writeAt(filled(2), 0)
    const write = watch(cache.local.writeAt(filled(9, 10), 0))
    cache.remote.invalidate([0])
    await clock.advance(50)
    await again
    expect([write.state, cache.requests]).toEqual(['pending', [['need', 0, 1]]])
    const newest = cache.remote.writeAt(filled(3), 0)
    await clock.advance(50)
    await newest
    expect([write.state, stored(cache, 0, 10), stored(cache, 10, BLOCK - 10)]).toEqual(['done', 9, 3])
  })

  it('own the whole block, so that an invalidation after them takes nothing away', async () => {
    const cache = rig()
    await cache.remote.writeAt(filled(1), 0)
    await cache.local.writeAt(filled(9, 10), 0)
    expect(cache.requests).toEqual([['dont', 0, 1]])
    await cache.local.writeAt(filled(8, 10), 20)
    expect(cache.requests).toHaveLength(1)
    cache.remote.invalidate([0])
    await cache.remote.writeAt(filled(2), 0)
    expect(await read(cache, 0, 21)).toEqual([...filled(9, 10), ...filled(1, 10), 8])
  })

  it('never reach the storage by way of the remote face’s advice to cancel', async () => {
    const cache = rig()
    const cancelled = vi.spyOn(cache.disk, 'cancelWrites')
    cache.remote.cancelWrites(0, BLOCK)
    expect(cancelled).not.toHaveBeenCalled()
    cache.local.cancelWrites(0, BLOCK)
    expect(cancelled).toHaveBeenCalledExactlyOnceWith(0, BLOCK)
  })
})

describe('synchronous members', () => {
  it('are not on the local face, whatever the storage has: whoever finds one expects that it need not wait', () => {
    const { local, remote } = rig()
    expect([local.readAtSync, local.writeAtSync, local.flushSync]).toEqual([undefined, undefined, undefined])
    expect(remote.writeAtSync!(filled(1), 0)).toBe(BLOCK)
    expect(remote.readAtSync!(new Uint8Array(5), 0)).toBe(5)
  })

  it('throw LOCKED while the block is being written by the other side', async () => {
    const { clock, ...sides } = synchronousAndSlow()
    const local = sides.local.writeAt(filled(1), 0, { signal: new AbortController().signal })
    const locked = expect.objectContaining({ code: 'LOCKED' })
    expect(() => sides.remote.writeAtSync!(filled(2), 0)).toThrow(locked)
    expect(sides.remote.writeAtSync!(filled(2), BLOCK)).toBe(BLOCK)
    await clock.advance(10)
    await local
    expect(sides.remote.writeAtSync!(filled(2), 0)).toBe(BLOCK)
    const target = new Uint8Array(BLOCK + 1)
    sides.remote.readAtSync!(target, 0)
    expect([target[0], target[BLOCK]]).toEqual([1, 2])
  })

  it('of a storage that would have to wait do not fail an asynchronous write', async () => {
    const gate = new Lockable(new MemoryStorage(4 * BLOCK))
    const cache = createWaitingCache(gate, BLOCK)
    closeLater(cache.local)
    await gate.lock()
    const writes = [cache.local.writeAt(filled(1), 0), cache.remote.writeAt(filled(2), BLOCK)]
    gate.unlock()
    expect(await Promise.all(writes)).toEqual([BLOCK, BLOCK])
    expect(await read(cache, BLOCK - 1, 2)).toEqual([1, 2])
  })

  it('and others do not exist where the storage has none', () => {
    const cache = rig({ over: (disk) => new SlowStorage(disk, { clock: new VirtualClock(), hide: ['zeroAt'] }) })
    for (const face of [cache.local, cache.remote]) {
      const { zeroAt, extents, readAtSync, writeAtSync, flushSync } = face
      expect([zeroAt, extents, readAtSync, writeAtSync, flushSync]).toEqual(new Array(5).fill(undefined))
    }
  })
})

/** A cache over a storage that has synchronous members, and takes 10 ms for others. */
function synchronousAndSlow() {
  const clock = new VirtualClock({ automatic: false })
  const { local, remote } = rig({
    over: (disk) =>
      Object.assign(new SlowStorage(disk, { clock, latencyMs: () => 10 }), {
        readAtSync: (target: Uint8Array, offset: number) => disk.readAtSync(target, offset),
        writeAtSync: (data: Uint8Array, offset: number) => disk.writeAtSync(data, offset),
      }),
  })
  return { clock, local, remote }
}
