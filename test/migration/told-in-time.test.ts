import { afterEach, describe, expect, it } from 'vitest'
import { migrateLive } from '../../src/migration/migrate-live.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import { migrationRig, type Rig, WAYS } from '../support/migration-rig.ts'

let rig: Rig
afterEach(() => rig.close())

describe.each(WAYS)('%s:', (way) => {
  it('a disk changes hands only once the destination has heard which of its copies are void', async () => {
    rig = migrationRig({ way })
    rig.remote.trackAt(0, rig.remote.size)
    await rig.local.writeAt(Uint8Array.of(1), 512)
    const events: string[] = []
    await migrateLive(
      rig.live({
        strategy: 'post-copy',
        isTracked: true,
        beforeRound: async () => {
          await rig.clock.sleep(100)
          events.push('told')
        },
        handOver: () => void events.push('hand over'),
      }),
    )
    expect(events).toEqual(['told', 'hand over'])
    expect(rig.differing()).toEqual([])
  })

  it('a block that is not to be sent is sent when it is written meanwhile', async () => {
    rig = migrationRig({ way, content: new Uint8Array(20 * 512).fill(3) })
    await rig.destination.writeAt(rig.sourceBytes(), 0)
    const order = new AnyBlockOrder(rig.blocks)
    order.add(3)
    let written: Promise<number> | undefined
    rig.destination.plan = ({ operation }) => {
      if (operation === 'write') written ??= rig.local.writeAt(new Uint8Array(512).fill(9), 7 * 512)
      return undefined
    }
    const { blocksMoved } = await migrateLive(rig.live({ order }))
    expect(await written).toBe(512)
    expect(rig.differing()).toEqual([])
    expect(blocksMoved).toBeLessThan(4)
  })
})
