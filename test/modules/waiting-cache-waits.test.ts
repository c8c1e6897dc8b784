import { describe, expect, it } from 'vitest'
import { StorageError } from '../../src/errors/storage-error.ts'
import { WAITING_CALLS } from '../../src/modules/limits.ts'
import { BLOCK, filled, read, rig, slowRig, stored } from '../support/waiting-cache-rig.ts'

describe('who waits', () => {
  const lost = new StorageError('CONNECTION_LOST')

  it.each([
    ['PEER_LOST', undefined],
    ['PEER_LOST', new Error('socket')],
    ['CONNECTION_LOST', lost],
  ])('is told %s when the peer is lost (%s), at once and from then on', async (code, error) => {
    const cache = rig()
    cache.remote.available(0, BLOCK)
    const calls = [read(cache, 0, 2 * BLOCK), cache.local.writeAt(filled(1, 5), 2 * BLOCK), cache.whenComplete()]
    cache.fail(error)
    for (const call of calls) await expect(call).rejects.toMatchObject({ code })
    expect(cache.waitingCalls).toBe(0)
    const { length } = cache.requests
    await expect(read(cache, BLOCK, 1)).rejects.toMatchObject({ code })
    await expect(cache.local.zeroAt!(BLOCK, 1)).rejects.toMatchObject({ code })
    await expect(cache.whenComplete()).rejects.toMatchObject({ code })
    expect(await read(cache, 0, 2)).toEqual([0, 0])
    await expect(cache.local.writeAt(filled(1, BLOCK + 5), BLOCK)).rejects.toMatchObject({ code })
    expect(await cache.local.writeAt(filled(1, BLOCK), 3 * BLOCK)).toBe(BLOCK)
    expect(cache.requests).toHaveLength(length)
  })

  it('can wait again after resume, and is asked for again', async () => {
    const cache = rig()
    const lostRead = read(cache, 0, 1)
    cache.fail()
    await expect(lostRead).rejects.toMatchObject({ code: 'PEER_LOST' })
    cache.resume()
    const reader = read(cache, 0, 1)
    expect(cache.requests).toEqual([
      ['need', 0, 1],
      ['need', 0, 1],
    ])
    await cache.remote.writeAt(filled(1), 0)
    expect(await reader).toEqual([1])
  })

  it('survives a change of the peer: everything still lacking is asked of the new one', async () => {
    const cache = rig()
    const calls = [read(cache, 0, 2 * BLOCK), cache.local.writeAt(filled(1, 5), 4 * BLOCK)]
    await cache.remote.writeAt(filled(1), 0)
    const asked: number[] = []
    cache.resume({ needAt: (offset) => asked.push(offset / BLOCK) })
    expect(asked).toEqual([1, 4])
    await cache.remote.writeAt(filled(1, 7 * BLOCK), BLOCK)
    expect(await Promise.all(calls)).toHaveLength(2)
    expect(cache.requests).toHaveLength(2)
  })

  it('goes on when a late block arrives although the peer is lost', async () => {
    const cache = rig()
    cache.fail()
    await cache.remote.writeAt(filled(1), 0)
    expect(await read(cache, 0, 1)).toEqual([1])
  })

  it('stops waiting when the signal fires, each for itself', async () => {
    const cache = rig()
    const abort = new AbortController()
    const { signal } = abort
    const ended = [
      cache.local.readAt(new Uint8Array(5), 0, { signal }),
      cache.local.writeAt(new Uint8Array(5), 0, { signal }),
      cache.local.writeAt(new Uint8Array(5), 2, { signal }),
      cache.whenComplete({ signal }),
    ]
    const other = read(cache, 0, 1)
    expect(cache.waitingCalls).toBe(4)
    abort.abort()
    for (const call of ended) await expect(call).rejects.toMatchObject({ code: 'ABORTED' })
    expect(cache.waitingCalls).toBe(1)
    await expect(cache.local.readAt(new Uint8Array(5), 0, { signal })).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(cache.whenComplete({ signal })).rejects.toMatchObject({ code: 'ABORTED' })
    await cache.remote.writeAt(filled(1), 0)
    expect(await other).toEqual([1])
    expect(await read(cache, 0, 5)).toEqual([1, 1, 1, 1, 1])
  })

  it('stops waiting for a write that is under way when the signal fires', async () => {
    const cache = slowRig()
    const { clock } = cache
    const abort = new AbortController()
    const { signal } = abort
    const arriving = cache.remote.writeAt(filled(1), 0)
    const local = cache.local.writeAt(filled(2), 0, { signal })
    const remote = cache.remote.writeAt(filled(3), 0, { signal })
    const last = cache.remote.writeAt(filled(4), 0)
    abort.abort()
    await expect(local).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(remote).rejects.toMatchObject({ code: 'ABORTED' })
    await clock.advance(20)
    await Promise.all([arriving, last])
    expect([stored(cache, 0), cache.isPresent(0)]).toEqual([4, true])
  })

  it('is told CLOSED when either face is closed', async () => {
    for (const side of ['local', 'remote'] as const) {
      const cache = rig()
      const calls = [read(cache, 0, 1), cache.local.writeAt(filled(1, 5), 5), cache.whenComplete()]
      await cache[side].close()
      for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'CLOSED' })
      await expect(read(cache, 0, 1)).rejects.toMatchObject({ code: 'CLOSED' })
      await expect(cache.remote.writeAt(filled(1), 0)).rejects.toMatchObject({ code: 'CLOSED' })
      expect(() => cache.presentBlocks()).toThrow(expect.objectContaining({ code: 'CLOSED' }))
      cache.remote.invalidate([0])
      cache.remote.available(0, BLOCK)
      cache.local.cancelWrites(0, BLOCK)
      cache.fail()
      cache.resume()
      await expect(read(cache, 0, 1)).rejects.toMatchObject({ code: 'CLOSED' })
    }
  })

  it('is not too many: the limit is refused, and nothing is left behind', async () => {
    const cache = rig()
    const calls = Array.from({ length: WAITING_CALLS }, () => cache.local.readAt(new Uint8Array(1), 0))
    await expect(read(cache, 0, 1)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
    expect(cache.waitingCalls).toBe(WAITING_CALLS)
    await cache.remote.writeAt(filled(1), 0)
    await Promise.all(calls)
    expect(cache.waitingCalls).toBe(0)
  })
})
