import { afterEach, describe, expect, it } from 'vitest'
import { migrationRig, type Rig, type RigOptions } from '../support/migration-rig.ts'
import { settled } from '../support/virtual-clock.ts'

let rig: Rig | undefined
afterEach(async () => {
  await rig?.close()
  rig = undefined
})

const fullContent = (blocks: number, blockSize = 512) => new Uint8Array(blocks * blockSize).fill(7)
const make = (options: RigOptions): Rig => {
  rig = migrationRig(options)
  return rig
}

describe('a fresh destination', () => {
  it.each(['synchronous', 'asynchronous', 'holey'] as const)(
    'is not written zeroes in the first pass, %s',
    async (way) => {
      const content = fullContent(20)
      content.fill(0, 4 * 512, 16 * 512)
      const { destination, migrator, differing } = make({ way, content })
      const run = migrator({ freshDestination: true, runBytes: 512 })
      await run.migrate(20)
      await run.waitForCompletion()
      expect([destination.calls.write, destination.calls.zero]).toEqual([8, 0])
      expect(run.bytesMoved).toBe(20 * 512)
      expect(differing()).toEqual([])
    },
  )

  it.each(['synchronous', 'asynchronous', 'holey'] as const)(
    'is written zeroes once it is no longer fresh, %s',
    async (way) => {
      const { destination, migrator, differing, local, remote } = make({ way, content: fullContent(20) })
      const run = migrator({ freshDestination: true })
      await run.migrate(20)
      await run.waitForCompletion()
      await local.writeAt(new Uint8Array(512), 3 * 512)
      await run.migrateDirty(remote.sync())
      await run.waitForCompletion()
      expect(differing()).toEqual([])
      expect(destination.calls.write).toBeGreaterThan(0)
    },
  )

  it.each(['synchronous', 'asynchronous', 'holey'] as const)(
    'is not trusted where a write failed halfway and the block is zero by then, %s',
    async (way) => {
      const { destination, migrator, differing, local, remote } = make({ way, content: fullContent(4) })
      destination.plan = (call) => {
        if (call.operation !== 'write' || call.number > 1) return undefined
        void local.writeAt(new Uint8Array(4 * 512), 0)
        return { effect: 0.5 }
      }
      const run = migrator({ freshDestination: true })
      await run.migrate(4)
      await run.waitForCompletion()
      await settled()
      await run.migrateDirty(remote.sync())
      await run.waitForCompletion()
      expect(differing()).toEqual([])
    },
  )
})

describe('a partial order', () => {
  it('moves only its blocks', async () => {
    const { order, migrator, differing } = make({ content: fullContent(20) })
    for (let block = 0; block < 20; block += 2) order.remove(block)
    const run = migrator()
    await run.migrate(20)
    await run.waitForCompletion()
    expect(run.blocksMoved).toBe(10)
    expect(differing()).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18])
  })

  it('moves as many blocks as told, and the rest later', async () => {
    const { migrator, differing, order } = make({ content: fullContent(20) })
    const run = migrator({ runBytes: 8 * 512 })
    await run.migrate(5)
    await run.waitForCompletion()
    expect(differing().length).toBe(15)
    expect(order.available).toBe(15)
    await run.migrate(100)
    await run.waitForCompletion()
    expect(differing()).toEqual([])
  })
})
