import { seededRandom } from '../../src/async/random.ts'
import { Bitfield } from '../../src/bitfield/bitfield.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import type { BlockOrder } from '../../src/orders/block-order.ts'
import { PriorityBlockOrder } from '../../src/orders/priority-block-order.ts'
import { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { collectGarbage, cpuMs, median, spread } from './measure.ts'

const BLOCK_SIZE = 65536

/** CPU seconds to fill an order and take every block, one by one. */
async function fillAndDrain(
  toy: boolean,
  create: (numBlocks: number) => Promise<BlockOrder>,
): Promise<BenchmarkResult> {
  const numBlocks = toy ? 2 ** 12 : 2 ** 24
  const seconds: number[] = []
  for (let run = 0; run < (toy ? 1 : 5); run++) {
    const order = await create(numBlocks)
    collectGarbage()
    let taken = 0
    const ms = await cpuMs(() => {
      order.addAll()
      while (order.next()) taken++
    })
    if (taken !== numBlocks) throw new Error(`took ${taken} of ${numBlocks} blocks`)
    seconds.push(ms / 1000)
  }
  return { value: median(seconds), unit: 's', limit: null, ratio: null, runs: seconds.length, spread: spread(seconds) }
}

async function volatileOrder(numBlocks: number, writes: number): Promise<BlockOrder> {
  // Recording is what counts here: the disk beneath only takes the calls.
  const disk: StorageProvider = {
    size: numBlocks * BLOCK_SIZE,
    readAt: async (target) => target.fill(0).length,
    writeAt: async (data) => data.length,
    flush: async () => {},
    close: async () => {},
    cancelWrites: () => {},
  }
  const monitor = new VolatilityMonitor(disk, BLOCK_SIZE)
  const random = seededRandom(7)
  const data = new Uint8Array(512)
  for (let write = 0; write < writes; write++)
    await monitor.writeAt(data, Math.floor(random() * numBlocks) * BLOCK_SIZE)
  return new PriorityBlockOrder(monitor)
}

/** Bytes of state for 1 TiB: what is kept for each block, measured on the objects a live migration makes. */
async function stateOfTerabyte(toy: boolean): Promise<BenchmarkResult> {
  const size = 2 ** 40
  const numBlocks = size / BLOCK_SIZE
  const source = new MemoryStorage(size, { sparse: true })
  const { local, remote } = createDirtyTracker(source, BLOCK_SIZE)
  const monitor = new VolatilityMonitor(local, BLOCK_SIZE)
  const order = new PriorityBlockOrder(monitor)
  order.addAll()
  // A lively disk: writes all over it, so that counters and the dirty set have something to hold.
  remote.trackAt(0, size)
  const random = seededRandom(3)
  for (let write = 0; write < (toy ? 100 : 4000); write++) {
    await monitor.writeAt(new Uint8Array(1), Math.floor(random() * numBlocks) * BLOCK_SIZE)
  }
  const bitfield = new Bitfield(numBlocks).byteLength
  const dirty = remote.sync()
  // Tracking, dirty, and the taken snapshot while it is put back into the order; the order and its counters.
  const bytes = 2 * bitfield + dirty.byteLength + monitor.byteLength
  return {
    value: bytes / 2 ** 20,
    unit: 'MiB',
    limit: null,
    ratio: null,
    runs: 1,
    spread: 0,
    note: `idle: ${((3 * bitfield) / 2 ** 20).toFixed(1)} MiB; worst, every block written: ${((4 * bitfield + numBlocks / 2) / 2 ** 20).toFixed(1)} MiB`,
  }
}

export const benchmarks: Benchmark[] = [
  {
    name: 'order-any',
    environment: 'node',
    run: ({ toy }) => fillAndDrain(toy, async (numBlocks) => new AnyBlockOrder(numBlocks)),
  },
  {
    name: 'order-volatility',
    environment: 'node',
    run: ({ toy }) => fillAndDrain(toy, (numBlocks) => volatileOrder(numBlocks, toy ? 1000 : 10 ** 6)),
  },
  { name: 'state-1tib', environment: 'node', run: ({ toy }) => stateOfTerabyte(toy) },
]
