import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import { errorCode, StorageError } from '../../src/errors/storage-error.ts'
import { migrateLive } from '../../src/migration/migrate-live.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { byChance, onBlocks, onCalls } from '../support/flaky-storage.ts'
import { propertyOptions } from '../support/seed.ts'
import { BLOCK, SyncerRig } from './syncer-rig.ts'

describe('a replica', () => {
  test('holds everything that was written before it was asked for', async () => {
    const rig = new SyncerRig()
    const running = rig.syncer.run()
    expect(rig.check()).toBe(0)
    await rig.syncer.whenSafe()
    expect(rig.check()).toBe(rig.blocks)
    await rig.write(BLOCK - 5, 10)
    expect(rig.syncer.isSafe(0)).toBe(false)
    expect(rig.check()).toBe(rig.blocks - 2)
    await rig.syncer.whenSafe()
    expect(rig.check()).toBe(rig.blocks)
    expect(rig.copy).toEqual(rig.shadow)
    await rig.syncer.close()
    await running
  })

  test('follows by itself, a period behind', async () => {
    const rig = new SyncerRig({ periodMs: 100 })
    const running = rig.syncer.run()
    await rig.syncer.whenSafe()
    await rig.write(3 * BLOCK, 10)
    await rig.clock.sleep(50)
    expect(rig.syncer.isSafe(3)).toBe(false)
    await rig.clock.sleep(51)
    expect(rig.syncer.isSafe(3)).toBe(true)
    await rig.syncer.stop()
    await running
  })

  test('writes nothing while nothing is written', async () => {
    const rig = new SyncerRig()
    void rig.syncer.run()
    await rig.syncer.whenSafe()
    const { write, flush } = rig.flaky.destination.calls
    await rig.clock.sleep(1000)
    expect(rig.flaky.destination.calls).toMatchObject({ write, flush })
    await rig.syncer.close()
  })

  test('sends at most so many blocks in a period, each in its turn', async () => {
    const rig = new SyncerRig({ roundBlocks: 4, periodMs: 10 })
    void rig.syncer.run()
    await rig.clock.sleep(5)
    expect(rig.check()).toBe(4)
    // Whoever is written over and over takes nobody's turn.
    for (let count = 2; count <= 9; count++) {
      for (let block = 0; block < 4; block++) await rig.write(block * BLOCK, 9)
      await rig.clock.sleep(10)
      expect(rig.check()).toBeGreaterThanOrEqual(4 * (count - 1))
    }
    await rig.syncer.whenSafe()
    expect(rig.check()).toBe(rig.blocks)
    await rig.syncer.close()
  })

  test('leaves blocks alone that are written again and again, but not for ever', async () => {
    const rig = new SyncerRig({ periodMs: 10, minAgeMs: 50, maxAgeMs: 1000 })
    const sent: number[] = []
    rig.flaky.destination.plan = ({ operation, offset }) => {
      if (operation === 'write' && offset === 7 * BLOCK) sent.push(rig.clock.now())
      return undefined
    }
    void rig.syncer.run()
    await rig.syncer.whenSafe()
    sent.length = 0
    const begin = rig.clock.now()
    await rig.write(9 * BLOCK, 20)
    while (rig.clock.now() < begin + 2500) {
      await rig.write(7 * BLOCK, 20)
      await rig.clock.sleep(5)
      if (rig.clock.now() > begin + 130) expect(rig.syncer.isSafe(9)).toBe(true)
    }
    expect(sent.length).toBe(2)
    await rig.clock.sleep(130)
    expect(rig.syncer.isSafe(7)).toBe(true)
    await rig.syncer.close()
  })

  test('serves whoever asks without end of writes', async () => {
    const rig = new SyncerRig({ isSlow: true, periodMs: 10, minAgeMs: 1e6, maxAgeMs: 1e6 })
    void rig.syncer.run()
    let isOver = false
    const writer = (async () => {
      while (!isOver) {
        await rig.write(5 * BLOCK, 20)
        rig.check()
      }
    })()
    for (let turn = 0; turn < 5; turn++) await rig.syncer.whenSafe()
    isOver = true
    await writer
    await rig.syncer.close()
  })

  test('goes on after a stop with what it owes', async () => {
    const rig = new SyncerRig({ isSlow: true, runBytes: 2 * BLOCK, concurrency: { any: 1 } })
    const first = rig.syncer.run()
    await rig.clock.sleep(60)
    await rig.syncer.stop()
    await first
    const moved = rig.check()
    expect(moved).toBeGreaterThan(0)
    await rig.write(0, 2 * BLOCK)
    await rig.clock.sleep(1000)
    expect(rig.check()).toBe(rig.syncer.progress().safeBlocks)
    expect(rig.syncer.progress().phase).toBe('stopped')
    const second = rig.syncer.run()
    await rig.syncer.whenSafe()
    expect(rig.check()).toBe(rig.blocks)
    await rig.syncer.close()
    await second
  })

  test('of which the destination holds a part needs only the rest', async () => {
    const order = new AnyBlockOrder(40)
    for (let block = 0; block < 40; block += 8) order.add(block)
    const rig = new SyncerRig({ order })
    await rig.flaky.destination.writeAt(rig.shadow, 0)
    void rig.syncer.run()
    expect(rig.check()).toBe(0)
    await rig.write(9 * BLOCK, 3)
    await rig.syncer.whenSafe()
    expect(rig.check()).toBe(40)
    expect(rig.syncer.progress().bytesMoved).toBeLessThanOrEqual(6 * BLOCK)
    await rig.syncer.close()
  })

  test('shortens a migration to the rest', async () => {
    const rig = new SyncerRig()
    void rig.syncer.run()
    await rig.syncer.whenSafe()
    await rig.write(30 * BLOCK, 700)
    await rig.syncer.stop()
    const safe = rig.syncer.safeBlocks()
    const order = new AnyBlockOrder(rig.blocks)
    for (let block = 0; block < rig.blocks; block++) if (!safe.test(block)) order.add(block)
    await rig.syncer.close()
    await rig.write(2 * BLOCK, 5)
    const { clock } = rig
    const live = await migrateLive({
      source: rig.tracker.remote,
      destination: rig.flaky.destination,
      order,
      clock,
      verify: 'none',
    })
    expect(live.blocksMoved).toBe(3)
    expect(rig.copy).toEqual(rig.shadow)
  })

  test('keeps migrations off its source until it is closed', async () => {
    const rig = new SyncerRig()
    const migrate = () =>
      migrateLive({ source: rig.tracker.remote, destination: new MemoryStorage(rig.size), clock: rig.clock })
    await expect(migrate()).rejects.toMatchObject({ code: 'BUSY' })
    await rig.syncer.close()
    await migrate()
    expect(() => rig.syncer.safeBlocks()).toThrow(expect.objectContaining({ code: 'CLOSED' }))
  })

  test('tells how it goes', async () => {
    const phases = new Set<string>()
    const rig = new SyncerRig({
      isSlow: true,
      progressIntervalMs: 0,
      runBytes: BLOCK,
      progressHandler: ({ phase, safeBlocks, owedBlocks, movingBlocks, totalBlocks }) => {
        phases.add(phase)
        expect(safeBlocks).toBeLessThanOrEqual(totalBlocks)
        expect(owedBlocks + movingBlocks + safeBlocks).toBeLessThanOrEqual(totalBlocks)
      },
    })
    void rig.syncer.run()
    await rig.syncer.whenSafe()
    expect([...phases]).toEqual(expect.arrayContaining(['moving', 'waiting']))
    expect(rig.syncer.progress()).toMatchObject({ round: 1, safeBlocks: 40, owedBlocks: 0, movingBlocks: 0 })
    await rig.syncer.close()
  })
})

describe('when something fails', () => {
  test('the run ends with it, nobody waits on, and it may run again', async () => {
    const rig = new SyncerRig()
    rig.flaky.destination.plan = onBlocks('write', { blocks: [4], blockSize: BLOCK })
    const running = rig.syncer.run()
    const safe = rig.syncer.whenSafe()
    safe.catch(() => {}) // Looked at below.
    await expect(running).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
    await expect(safe).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
    rig.flaky.destination.plan = undefined
    const again = rig.syncer.run()
    await rig.syncer.whenSafe()
    expect(rig.check()).toBe(rig.blocks)
    await rig.syncer.close()
    await again
  })

  test('a handler lets it go on, and blocks that failed stay owed', async () => {
    const errors: unknown[] = []
    const rig = new SyncerRig({ errorHandler: (error) => errors.push(error) })
    rig.flaky.destination.plan = onBlocks('write', { blocks: [4], blockSize: BLOCK, times: 40 })
    void rig.syncer.run()
    await rig.syncer.whenSafe()
    expect(rig.check()).toBe(rig.blocks)
    expect(errors.length).toBeGreaterThan(2)
    await rig.syncer.close()
  })

  test('a flush that fails makes nothing safe', async () => {
    const rig = new SyncerRig({ errorHandler: () => {} })
    rig.flaky.destination.plan = onCalls('flush', { times: 3 })
    void rig.syncer.run()
    await rig.clock.sleep(2000)
    expect(rig.check()).toBe(0)
    await rig.syncer.whenSafe()
    expect(rig.check()).toBe(rig.blocks)
    await rig.syncer.close()
  })

  test('a block that was written while it moved does not count as sent after a flush that failed', async () => {
    let safe: Promise<void> | undefined
    const rig = new SyncerRig({
      blocks: 4,
      roundBlocks: 2,
      errorHandler: () => {
        safe = rig.syncer.whenSafe()
      },
    })
    rig.flaky.destination.plan = ({ operation, number }) => {
      if (operation === 'write' && number === 1) {
        void rig.write(BLOCK, 5)
        rig.syncer.safeBlocks().free()
      }
      return operation === 'flush' && number === 1 ? {} : undefined
    }
    void rig.syncer.run()
    while (!safe) await rig.clock.sleep(1)
    await safe
    expect(rig.check()).toBe(4)
    await rig.syncer.close()
  })

  test('a signal ends the run, and a wait', async () => {
    const stop = new AbortController()
    const rig = new SyncerRig({ isSlow: true, signal: stop.signal })
    const running = rig.syncer.run()
    const patience = new AbortController()
    const safe = rig.syncer.whenSafe({ signal: patience.signal })
    safe.catch(() => {}) // Looked at below.
    await rig.clock.sleep(10)
    patience.abort()
    await expect(safe).rejects.toMatchObject({ code: 'ABORTED' })
    stop.abort()
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' })
    await rig.syncer.close()
  })

  test('arguments that make no sense are refused', () => {
    for (const wrong of [
      { periodMs: 0 },
      { periodMs: -1 },
      { minAgeMs: Number.NaN },
      { maxAgeMs: -1 },
      { roundBlocks: 0 },
    ]) {
      expect(() => new SyncerRig(wrong)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    }
  })

  const CALLS = ['source read', 'destination write', 'destination zero', 'destination flush'] as const
  test.each(CALLS)('the n-th %s, once or from then on, no block is called safe that is not', async (call) => {
    const [side, operation] = call.split(' ') as ['source' | 'destination', 'read' | 'write' | 'zero' | 'flush']
    let failed = 0
    for (let nth = 1; nth <= 12; nth++) {
      for (const times of [1, Number.POSITIVE_INFINITY]) {
        const error = times === 1 ? {} : { error: new StorageError('CONNECTION_LOST') }
        const rig = new SyncerRig({ seed: nth, runBytes: 3 * BLOCK, minAgeMs: 20 })
        rig.flaky[side].plan = onCalls(operation, { from: nth, times }, { ...error, effect: 0.5 })
        const running = rig.syncer.run().then(() => undefined, errorCode)
        for (let turn = 0; turn < 20; turn++) {
          await rig.writeAnywhere().catch(() => {}) // What was not acknowledged is in no shadow; both may be there.
          rig.check()
          await rig.clock.sleep(7)
          rig.check()
        }
        rig.flaky[side].plan = undefined
        await rig.syncer.stop()
        if ((await running) !== undefined) failed++
        void rig.syncer.run()
        await rig.syncer.whenSafe()
        expect(rig.check()).toBe(rig.blocks)
        expect(rig.copy).toEqual(rig.shadow)
        await rig.syncer.close()
      }
    }
    expect(failed).toBeGreaterThan(1)
  })
})

test('whatever happens, what is called safe has its last acknowledged content at the destination', async () => {
  let safeSeen = 0
  const property = fc.asyncProperty(
    fc.record({
      seed: fc.nat(2 ** 31),
      isSlow: fc.boolean(),
      minAgeMs: fc.constantFrom(0, 0, 15, 60),
      maxAgeMs: fc.constantFrom(50, 500),
      roundBlocks: fc.constantFrom(undefined, 1, 5, 17),
      chance: fc.constantFrom(0, 0.02, 0.2),
      freshDestination: fc.boolean(),
      turns: fc.integer({ min: 5, max: 60 }),
    }),
    async ({ seed, chance, turns, roundBlocks, ...options }) => {
      const rig = new SyncerRig({
        seed,
        ...options,
        runBytes: 4 * BLOCK,
        ...(roundBlocks === undefined ? {} : { roundBlocks }),
        errorHandler: () => {},
      })
      const random = seededRandom(seed + 1)
      const faults = [{}, { effect: 0.5 }, { how: 'short' as const, effect: 0.5 }, { how: 'throw' as const }]
      rig.flaky.destination.plan = byChance(
        random,
        { write: chance, zero: chance, flush: 2 * chance },
        faults.slice(0, 2),
      )
      rig.flaky.source.plan = byChance(random, { read: chance }, faults)
      let running = rig.syncer.run()
      const writes: Promise<unknown>[] = []
      for (let turn = 0; turn < turns; turn++) {
        const what = random()
        // Of a write that overlaps another one under way nobody can say which was the last.
        if (what < 0.5) {
          await Promise.all(writes.splice(0))
          writes.push(rig.writeAnywhere())
        } else if (what < 0.9) await rig.clock.sleep(random() * 40)
        else if (what < 0.95) {
          await rig.syncer.stop()
          await running
          safeSeen += rig.check()
          running = rig.syncer.run()
        } else await rig.clock.sleep(random() * 400)
        safeSeen += rig.check()
      }
      await Promise.all(writes)
      rig.flaky.destination.plan = undefined
      rig.flaky.source.plan = undefined
      const waiting = rig.syncer.whenSafe()
      for (let isOver = false; !isOver; ) {
        isOver = await Promise.race([waiting.then(() => true), rig.clock.sleep(3).then(() => false)])
        safeSeen += rig.check()
      }
      expect(rig.check()).toBe(rig.blocks)
      expect(rig.copy).toEqual(rig.shadow)
      await rig.syncer.close()
      await running
    },
  )
  await fc.assert(property, { ...propertyOptions(100), timeout: 30_000 })
  expect(safeSeen).toBeGreaterThan(1000)
}, 120_000)
