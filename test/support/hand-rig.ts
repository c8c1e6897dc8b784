import { Migrator } from '../../src/migration/migrator.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import type { PriorityBlockOrder } from '../../src/orders/priority-block-order.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { FlakyStorage } from './flaky-storage.ts'
import { HoleyStorage } from './holey-storage.ts'
import { SlowStorage } from './slow-storage.ts'
import { VirtualClock } from './virtual-clock.ts'

/** A rig by hand: the first write to the destination takes 100 ms, the others 1 ms; or as told. */
export function handRig(options: { blocks: number; latencies: number[]; holey?: boolean; random?: () => number }) {
  const size = options.blocks * 512
  const clock = new VirtualClock({ automatic: false })
  const sourceDisk = new MemoryStorage(size)
  const destinationDisk = new MemoryStorage(size)
  const flakySource = new FlakyStorage(options.holey ? new HoleyStorage(sourceDisk, 512) : sourceDisk)
  const { local, remote } = createDirtyTracker(flakySource, 512)
  const latencies = [...options.latencies]
  const slow = new SlowStorage(destinationDisk, { clock, latencyMs: () => latencies.shift() ?? 1 })
  const destination = new FlakyStorage(slow)
  const order = new AnyBlockOrder(options.blocks)
  const config = { blockSize: 512, clock, runBytes: 512 }
  const bytes = (disk: MemoryStorage) => {
    const content = new Uint8Array(size)
    disk.readAtSync(content, 0)
    return content
  }
  return {
    clock,
    local,
    remote,
    slow,
    flakySource,
    destination,
    order,
    config,
    migrator: (more: object = {}, other?: PriorityBlockOrder) =>
      new Migrator(remote, destination, other ?? order, { ...config, ...more }),
    /** Fills the destination, so that what was not sent shows. */
    soil: () => destinationDisk.writeAtSync(new Uint8Array(size).fill(0xee), 0),
    source: () => bytes(sourceDisk),
    copy: () => bytes(destinationDisk),
    write: (value: number, block: number, count = 1) =>
      sourceDisk.writeAtSync(new Uint8Array(512 * count).fill(value), block * 512),
    close: () => Promise.all([sourceDisk.close(), destinationDisk.close()]),
  }
}
