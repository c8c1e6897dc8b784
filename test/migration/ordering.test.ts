import { describe, expect, it } from 'vitest'
import { Migrator } from '../../src/migration/migrator.ts'
import { PriorityBlockOrder } from '../../src/orders/priority-block-order.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { onBlocks } from '../support/flaky-storage.ts'
import { handRig } from '../support/hand-rig.ts'
import { SlowStorage } from '../support/slow-storage.ts'

describe('an older copy of a block', () => {
  it('never lands after a newer one: the newer waits for it', async () => {
    const hand = handRig({ blocks: 4, latencies: [100, 1] })
    hand.write(1, 0)
    hand.order.add(0)
    const migrator = hand.migrator()
    await migrator.migrate(1)
    await hand.clock.advance(10)
    await hand.local.writeAt(new Uint8Array(512).fill(2), 0)
    await migrator.migrateDirty(hand.remote.sync())
    await hand.clock.advance(50)
    // The new one would have been there by now.
    expect(hand.copy()[0]).toBe(0)
    await hand.clock.advance(100)
    await migrator.waitForCompletion()
    expect(hand.copy()[0]).toBe(2)
    expect(migrator.blocksMoved).toBe(2)
    await hand.close()
  })

  it('never lands after a newer one where both sides also answer at once', async () => {
    const hand = handRig({ blocks: 4, latencies: [100] })
    const disk = new MemoryStorage(4 * 512)
    const slow = new SlowStorage(disk, { clock: hand.clock, latencyMs: () => 100 })
    // Fails once, so that the first copy takes the slow way.
    const destination = Object.assign(slow, {
      writeAtSync: (data: Uint8Array, offset: number) => {
        if (!failed) {
          failed = true
          throw new Error('not at once')
        }
        return disk.writeAtSync(data, offset)
      },
    })
    let failed = false
    hand.write(1, 0)
    hand.order.add(0)
    const migrator = new Migrator(hand.remote, destination, hand.order, hand.config)
    const first = migrator.migrate(1)
    await hand.clock.advance(10)
    await hand.local.writeAt(new Uint8Array(512).fill(2), 0)
    const second = migrator.migrateDirty(hand.remote.sync())
    await hand.clock.advance(1000)
    await Promise.all([first, second])
    await migrator.waitForCompletion()
    const copy = new Uint8Array(512)
    disk.readAtSync(copy, 0)
    expect(copy[0]).toBe(2)
    await disk.close()
    await hand.close()
  })

  it('holds up only newer copies of the same blocks', async () => {
    const hand = handRig({ blocks: 4, latencies: [100, 1, 1] })
    hand.write(1, 0, 4)
    for (const block of [0, 2]) hand.order.add(block)
    const migrator = hand.migrator()
    await migrator.migrate(2)
    await hand.clock.advance(10)
    for (const block of [0, 2]) await hand.local.writeAt(new Uint8Array(512).fill(2), block * 512)
    await migrator.migrateDirty(hand.remote.sync())
    await hand.clock.advance(10)
    expect([hand.copy()[0], hand.copy()[1024]]).toEqual([0, 2])
    await hand.clock.advance(200)
    await migrator.waitForCompletion()
    expect(hand.copy()[0]).toBe(2)
    await hand.close()
  })

  it('is waited for along a chain of copies, each of which overlaps the next', async () => {
    const hand = handRig({ blocks: 8, latencies: [100, 60, 1] })
    hand.write(1, 0, 8)
    const migrator = hand.migrator({ runBytes: 4 * 512 })
    const rounds: [number, number, number][] = [
      [1, 0, 4],
      [2, 2, 4],
      [3, 3, 2],
    ]
    for (const [value, block, count] of rounds) {
      await hand.local.writeAt(new Uint8Array(count * 512).fill(value), block * 512)
      for (let number = block; number < block + count; number++) hand.order.add(number)
      await migrator.migrate(count)
      await hand.clock.advance(1)
    }
    await hand.clock.advance(1000)
    await migrator.waitForCompletion()
    expect(hand.copy()).toEqual(hand.source().fill(0, 6 * 512))
    await hand.close()
  })

  it('that fails for good while a newer one waits is no failure once the newer one is stored', async () => {
    const hand = handRig({ blocks: 4, latencies: [] })
    hand.write(1, 0, 4)
    for (const block of [0, 3]) hand.order.add(block)
    hand.destination.plan = onBlocks('write', { blocks: [0], blockSize: 512, times: 3 })
    const refused = onBlocks('write', { blocks: [3], blockSize: 512 })
    const first = hand.destination.plan
    hand.destination.plan = (call) => first(call) ?? refused(call)
    const migrator = hand.migrator()
    await migrator.migrate(2)
    await hand.clock.advance(5)
    await hand.local.writeAt(new Uint8Array(512).fill(2), 0)
    void migrator.migrateDirty(hand.remote.sync())
    const ended = migrator.waitForCompletion().catch((error) => error)
    await hand.clock.advance(1000)
    const error = await ended
    expect(hand.copy()[0]).toBe(2)
    expect(error.failedBlocks).toBe(1)
    expect(error.failures).toMatchObject([{ start: 3, count: 1 }])
    await hand.close()
  })
})

describe('priority', () => {
  it('goes before everything else, and keeps to its own limit', async () => {
    const hand = handRig({ blocks: 64, latencies: [] })
    hand.write(1, 0, 64)
    hand.order.addAll()
    const order = new PriorityBlockOrder(hand.order)
    const concurrency = { standard: 2, priority: 3 }
    const stored: number[] = []
    const blockHandler = (start: number) => void stored.push(start)
    const migrator = hand.migrator({ concurrency, blockHandler }, order)
    for (let block = 63; block >= 40; block--) order.prioritise(block)
    const migrating = migrator.migrate(64)
    for (let turn = 0; turn < 100; turn++) await hand.clock.advance(1)
    await migrating
    await migrator.waitForCompletion()
    expect(hand.slow.mostActive).toBe(5)
    // 24 urgent blocks, three or five at a time; no other block was chosen while one waited.
    expect(stored.slice(0, 24).sort((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_, index) => 40 + index))
    await hand.close()
  })

  it('need not wait for a free place among the others', async () => {
    const hand = handRig({ blocks: 64, latencies: [100, 100, 1] })
    hand.write(1, 0, 64)
    hand.order.addAll()
    const order = new PriorityBlockOrder(hand.order)
    const stored: number[] = []
    const blockHandler = (start: number) => void stored.push(start)
    const migrator = hand.migrator({ concurrency: { standard: 2, priority: 1 }, blockHandler }, order)
    void migrator.migrate(64)
    await hand.clock.advance(5)
    expect(stored).toEqual([])
    order.prioritise(60)
    await hand.clock.advance(150)
    expect(stored.indexOf(60)).toBeLessThan(6)
    await hand.clock.advance(1000)
    await migrator.waitForCompletion()
    await hand.close()
  })

  it('requests that are void by then do not exceed the limits', async () => {
    const hand = handRig({ blocks: 64, latencies: [] })
    hand.write(1, 0, 64)
    hand.order.addAll()
    const order = new PriorityBlockOrder(hand.order)
    const migrator = hand.migrator({ concurrency: { standard: 2, priority: 1 } }, order)
    for (let block = 0; block < 40; block += 2) {
      order.prioritise(block)
      hand.order.remove(block)
    }
    const migrating = migrator.migrate(64)
    await hand.clock.advance(1000)
    await migrating
    await migrator.waitForCompletion()
    expect(hand.slow.mostActive).toBeLessThanOrEqual(3)
    await hand.close()
  })
})

describe.each(['standard', 'dirty'] as const)('the limit for %s runs', (kind) => {
  it.each([1, 2, 7])('%i is kept, and reached', async (limit) => {
    const hand = handRig({ blocks: 40, latencies: [] })
    hand.write(1, 0, 40)
    hand.order.addAll()
    const migrator = hand.migrator({ concurrency: { [kind]: limit, any: 40 } })
    const moving = migrator.migrate(40)
    await hand.clock.advance(1000)
    await moving
    await migrator.waitForCompletion()
    if (kind === 'dirty') {
      await hand.local.writeAt(new Uint8Array(40 * 512).fill(2), 0)
      hand.slow.mostActive = 0
      const again = migrator.migrateDirty(hand.remote.sync())
      await hand.clock.advance(1000)
      await again
      await migrator.waitForCompletion()
    }
    expect(hand.slow.mostActive).toBe(limit)
    await hand.close()
  })
})
