import { describe, expect, it } from 'vitest'
import { migrateLive } from '../../src/migration/migrate-live.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { SlowStorage } from '../support/slow-storage.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

describe('long copies', () => {
  it('let other tasks run again and again, also where nothing ever waits', async () => {
    for (const sparse of [false, true]) {
      const size = 192 << 20
      const source = new MemoryStorage(size, { sparse })
      const destination = new MemoryStorage(size, { sparse })
      for (let offset = 0; offset < size; offset += 1 << 20) source.writeAtSync(new Uint8Array(1 << 20).fill(1), offset)
      const { remote } = createDirtyTracker(source, 65536)
      let turns = 0
      let running = true
      const watch = () => {
        turns++
        if (running) setImmediate(watch)
      }
      setImmediate(watch)
      await migrateLive({ source: remote, destination, order: new AnyBlockOrder(size / 65536) })
      running = false
      // Counted, not timed: a busy machine makes every stretch longer. Without yielding there is no turn at all.
      expect(turns, `sparse ${sparse}`).toBeGreaterThan(5)
      await source.close()
      await destination.close()
    }
  })

  it('answer an abort from a timer although nothing ever waits', async () => {
    const size = 256 << 20
    const source = new MemoryStorage(size, { sparse: true })
    for (let offset = 0; offset < size; offset += 1 << 20) source.writeAtSync(new Uint8Array(1 << 20).fill(1), offset)
    const destination = new SlowStorage(new MemoryStorage(size, { sparse: true }), {
      clock: new VirtualClock(),
      latencyMs: () => 0,
    })
    const { remote } = createDirtyTracker(source, 65536)
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 5)
    await expect(migrateLive({ source: remote, destination, signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    await source.close()
    await destination.close()
  })
})
