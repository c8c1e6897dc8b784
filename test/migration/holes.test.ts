import { afterEach, describe, expect, it } from 'vitest'
import { Migrator } from '../../src/migration/migrator.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { onCalls } from '../support/flaky-storage.ts'
import { handRig } from '../support/hand-rig.ts'
import { HoleyStorage } from '../support/holey-storage.ts'
import { migrationRig, type Rig, type RigOptions } from '../support/migration-rig.ts'
import { SlowStorage } from '../support/slow-storage.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

let rig: Rig | undefined
afterEach(async () => {
  await rig?.close()
  rig = undefined
})

const make = (options: RigOptions): Rig => {
  rig = migrationRig(options)
  return rig
}

describe('holes', () => {
  it('are told, not read, and taken whole', async () => {
    const { migrator, ...more } = make({ way: 'holey', content: new Uint8Array(200 * 512), tickMs: 0 })
    more.source.calls.read = 0
    const run = migrator({ concurrency: { any: 1 } })
    await run.migrate(200)
    await run.waitForCompletion()
    expect(more.source.calls.read).toBe(0)
    expect(more.destination.calls.zero).toBe(1)
    expect(run.blocksMoved).toBe(200)
  })

  it('are tracked: a write into one after it was told makes its block dirty', async () => {
    const hand = handRig({ blocks: 8, latencies: [50], holey: true })
    hand.order.addAll()
    const migrator = hand.migrator()
    void migrator.migrate(8)
    await hand.clock.advance(10)
    await hand.local.writeAt(new Uint8Array(512).fill(5), 6 * 512)
    await hand.clock.advance(100)
    await migrator.waitForCompletion()
    expect(hand.remote.isDirty(6)).toBe(true)
    void migrator.migrateDirty(hand.remote.sync())
    await hand.clock.advance(100)
    await migrator.waitForCompletion()
    expect(hand.copy()).toEqual(hand.source())
    await hand.close()
  })

  it.each([1, 3])('end where data begins, in runs of %i blocks', async (runBlocks) => {
    const hand = handRig({ blocks: 60, latencies: [], holey: true })
    for (const block of [5, 6, 20, 41, 59]) hand.write(block, block)
    hand.soil()
    hand.order.addAll()
    const migrator = hand.migrator({ concurrency: { any: 1 }, runBytes: runBlocks * 512 })
    const moving = migrator.migrate(60)
    await hand.clock.advance(1000)
    await moving
    await migrator.waitForCompletion()
    expect(hand.copy()).toEqual(hand.source())
    expect(migrator.blocksMoved).toBe(60)
    await hand.close()
  })

  it('take no block along that became dirty after they were told', async () => {
    const clock = new VirtualClock({ automatic: false })
    const disk = new MemoryStorage(8 * 512)
    const copy = new MemoryStorage(8 * 512)
    const source = new HoleyStorage(disk, 512)
    const told = source.extents
    source.extents = async (offset, length) => {
      const extents = await told(offset, length)
      await clock.sleep(50)
      return extents
    }
    const { local, remote } = createDirtyTracker(source, 512)
    const order = new AnyBlockOrder(8)
    order.add(0)
    const migrator = new Migrator(remote, copy, order, {
      blockSize: 512,
      clock,
      runBytes: 512,
      concurrency: { any: 1 },
    })
    const first = migrator.migrate(1)
    // By now the holes behind block 0 were looked for, and the answer is on its way.
    await clock.advance(60)
    await local.writeAt(new Uint8Array(1024).fill(1), 0)
    const second = migrator.migrateDirty(remote.sync())
    await clock.advance(1000)
    await Promise.all([first, second])
    await migrator.waitForCompletion()
    const target = new Uint8Array(1)
    copy.readAtSync(target, 512)
    expect(target[0]).toBe(1)
    for (const storage of [disk, copy]) await storage.close()
  })

  it('do not reach over blocks that are under way', async () => {
    // Block 4 holds data and takes long to store; then the source is emptied, and the hole from block 0 on would cover it.
    const hand = handRig({ blocks: 8, latencies: [100, 1], holey: true })
    hand.write(1, 4)
    hand.order.add(4)
    const migrator = hand.migrator({ concurrency: { any: 2 } })
    await migrator.migrate(1)
    await hand.clock.advance(10)
    await hand.local.zeroAt!(4 * 512, 512)
    hand.order.addAll()
    void migrator.migrate(8)
    await hand.clock.advance(1000)
    await migrator.waitForCompletion()
    expect(hand.copy()).toEqual(new Uint8Array(8 * 512))
    await hand.close()
  })

  it.each([
    [1, 1],
    [2, 1],
    [3, 2],
  ])(
    'lose no block when zeroing them fails %i times and the hole is smaller after that (runs of %i blocks)',
    async (times, runBlocks) => {
      const hand = handRig({ blocks: 40, latencies: [], holey: true })
      hand.order.addAll()
      hand.soil()
      hand.destination.plan = onCalls('zero', { times })
      const migrator = hand.migrator({ concurrency: { any: 1 }, runBytes: runBlocks * 512 })
      void migrator.migrate(40)
      await hand.clock.advance(10)
      await hand.local.writeAt(new Uint8Array(512).fill(3), 2 * 512)
      await hand.clock.advance(1000)
      const ended = migrator.waitForCompletion()
      await hand.clock.advance(1000)
      await ended
      expect(migrator.pendingBlocks).toBe(0)
      void migrator.migrateDirty(hand.remote.sync())
      await hand.clock.advance(1000)
      await migrator.waitForCompletion()
      expect(hand.copy()).toEqual(hand.source())
      await hand.close()
    },
  )

  it('are zeroed at a destination that held something else, also one that cannot discard', async () => {
    for (const hide of [[], ['zeroAt']] as const) {
      const clock = new VirtualClock()
      const source = new MemoryStorage(3 << 20, { sparse: true })
      const destination = new MemoryStorage(3 << 20)
      destination.writeAtSync(new Uint8Array(3 << 20).fill(0xee), 0)
      const slow = new SlowStorage(destination, { clock, hide })
      const order = new AnyBlockOrder(48)
      order.addAll()
      const { remote } = createDirtyTracker(source, 65536)
      const migrator = new Migrator(remote, slow, order, { blockSize: 65536, clock })
      await migrator.migrate(48)
      await migrator.waitForCompletion()
      const copy = new Uint8Array(3 << 20)
      destination.readAtSync(copy, 0)
      expect(copy.every((byte) => byte === 0)).toBe(true)
      await destination.close()
    }
  })
})
