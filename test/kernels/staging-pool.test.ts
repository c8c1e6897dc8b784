import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { STAGING_BYTES } from '../../src/kernels/limits.ts'
import { StagingPool, type StagingSlot, sharedStagingPool } from '../../src/kernels/staging-pool.ts'
import { propertyOptions } from '../support/seed.ts'
import { settled } from '../support/virtual-clock.ts'

/** A pool is rounded up to pages of 64 KiB: less than this is no difference. */
const UNIT = 256 * 1024
const POOL = 16 * UNIT

/** Notes who got a slot, in order. */
function queue(pool: StagingPool) {
  const served: string[] = []
  const slots = new Map<string, StagingSlot>()
  const ask = (name: string, length: number, signal?: AbortSignal) =>
    pool.acquire(length, signal).then(
      (slot) => {
        served.push(name)
        slots.set(name, slot)
      },
      (error) => void served.push(`${name}: ${error.code}`),
    )
  return { served, slots, ask }
}

describe('StagingPool', () => {
  it('gives a slot with a view of exactly the asked length, in the memory of its kernels', () => {
    const pool = new StagingPool(POOL)
    for (const length of [1, 4095, 4096, 4097, 10_000]) {
      const slot = pool.tryAcquire(length)!
      expect(slot.bytes.length).toBe(length)
      expect(slot.bytes.buffer).toBe(slot.kernels.buffer)
      expect(slot.bytes.byteOffset).toBe(slot.pointer)
      slot.release()
    }
  })

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, POOL + 1])(
    'refuses length %d and loses nothing',
    async (length) => {
      const pool = new StagingPool(POOL)
      expect(() => pool.tryAcquire(length)).toThrow(RangeError)
      await expect(pool.acquire(length)).rejects.toBeInstanceOf(RangeError)
      expect(pool.tryAcquire(POOL)).toBeDefined()
    },
  )

  it.each([5000, 100_000, 3 << 20, 5_000_000])('serves a request as large as a pool of %i bytes', (bytes) => {
    const pool = new StagingPool(bytes)
    expect(pool.tryAcquire(bytes)?.bytes.length).toBe(bytes)
  })

  it('takes length 0 for a request like another', () => {
    const slot = new StagingPool(POOL).tryAcquire(0)!
    expect(slot.bytes.length).toBe(0)
    slot.release()
  })

  it('says undefined when it is full, and serves again after a release', () => {
    const pool = new StagingPool(POOL)
    const slot = pool.tryAcquire(POOL)!
    expect(pool.tryAcquire(UNIT)).toBeUndefined()
    slot.release()
    expect(pool.tryAcquire(1)).toBeDefined()
  })

  it('serves who waits first come first served, a large request before the small ones behind it', async () => {
    const pool = new StagingPool(POOL)
    const { served, slots, ask } = queue(pool)
    await ask('a', 8 * UNIT)
    await ask('b', 8 * UNIT)
    void ask('large', POOL)
    void ask('small', UNIT)
    expect(pool.tryAcquire(UNIT)).toBeUndefined()
    slots.get('a')!.release()
    await settled()
    expect(served).toEqual(['a', 'b'])
    slots.get('b')!.release()
    await settled()
    expect(served).toEqual(['a', 'b', 'large'])
    slots.get('large')!.release()
    await settled()
    expect(served).toEqual(['a', 'b', 'large', 'small'])
  })

  it('serves several waiting requests from one release', async () => {
    const pool = new StagingPool(POOL)
    const { served, slots, ask } = queue(pool)
    await ask('all', POOL)
    for (const name of ['a', 'b', 'c']) void ask(name, 4 * UNIT)
    slots.get('all')!.release()
    await settled()
    expect(served).toEqual(['all', 'a', 'b', 'c'])
  })

  it('drops a waiting request whose signal fires, and serves everybody it stood before', async () => {
    const pool = new StagingPool(POOL)
    const { served, ask } = queue(pool)
    const controller = new AbortController()
    await ask('a', 8 * UNIT)
    void ask('large', POOL, controller.signal)
    void ask('b', 2 * UNIT)
    void ask('c', 2 * UNIT)
    await settled()
    expect(served).toEqual(['a'])
    controller.abort()
    await settled()
    expect(served.slice(1).sort()).toEqual(['b', 'c', 'large: ABORTED'])
  })

  it('refuses a request whose signal has fired, and takes no slot for it', async () => {
    const pool = new StagingPool(POOL)
    await expect(pool.acquire(POOL, AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' })
    expect(pool.tryAcquire(POOL)).toBeDefined()
  })

  it('keeps a slot that was served when its signal fires later', async () => {
    const pool = new StagingPool(POOL)
    const controller = new AbortController()
    const slot = await pool.acquire(POOL, controller.signal)
    controller.abort()
    expect(pool.tryAcquire(UNIT)).toBeUndefined()
    slot.release()
    expect(pool.tryAcquire(1)).toBeDefined()
  })

  it('takes a second release for nothing, also when the place has another owner by then', () => {
    const pool = new StagingPool(POOL)
    const first = pool.tryAcquire(POOL)!
    first.release()
    const second = pool.tryAcquire(POOL)!
    first.release()
    expect(pool.tryAcquire(UNIT)).toBeUndefined()
    second.release()
  })

  it('makes room of idle slots of other sizes', () => {
    const pool = new StagingPool(POOL)
    const small = Array.from({ length: 16 }, () => pool.tryAcquire(UNIT)!)
    for (const slot of small) slot.release()
    expect(pool.tryAcquire(POOL)).toBeDefined()
  })

  it('never has two owners for one byte, and gives everything back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 40 }), async (seed, users) => {
        const random = seededRandom(seed)
        const pool = new StagingPool(8 * UNIT)
        const owned = new Set<StagingSlot>()
        const use = async () => {
          for (let turn = 0; turn < 4; turn++) {
            const controller = new AbortController()
            const length = Math.floor(random() ** 2 * 4 * UNIT) + 1
            const asked = pool.acquire(length, controller.signal)
            if (random() < 0.2) controller.abort()
            const slot = await asked.catch(() => undefined)
            if (!slot) continue
            for (const { pointer, bytes } of owned) {
              const apart = slot.pointer + length <= pointer || pointer + bytes.length <= slot.pointer
              if (!apart) throw new Error(`${slot.pointer} + ${length} and ${pointer} + ${bytes.length} overlap`)
            }
            owned.add(slot)
            for (let wait = Math.floor(random() * 5); wait > 0; wait--) await settled()
            owned.delete(slot)
            slot.release()
          }
        }
        await Promise.all(Array.from({ length: users }, use))
        pool.tryAcquire(8 * UNIT)!.release()
      }),
      propertyOptions(100),
    )
  })

  it('is one for the whole realm, large enough for two of the largest blocks', () => {
    const pool = sharedStagingPool()
    expect(pool).toBe(sharedStagingPool())
    const slots = [pool.tryAcquire(STAGING_BYTES / 2), pool.tryAcquire(STAGING_BYTES / 2)]
    expect(slots.every(Boolean)).toBe(true)
    for (const slot of slots) slot!.release()
  })
})
