import { describe, test } from 'vitest'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import type { BlockOrder } from '../../src/orders/block-order.ts'
import { PriorityBlockOrder } from '../../src/orders/priority-block-order.ts'
import { RecentFirstOrder, RecentReads } from '../../src/orders/recent-reads.ts'
import { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { type BlockOrderFactory, blockOrderConformance } from '../conformance/block-order.ts'

const monitor = (numBlocks: number, writes = 0) => {
  const monitor = new VolatilityMonitor(new MemoryStorage(numBlocks * 512, { sparse: true }), 512)
  for (let write = 0; write < writes; write++)
    monitor.writeAtSync!(new Uint8Array(1), ((write * write) % numBlocks) * 512)
  return monitor
}

const recent = (numBlocks: number) => {
  const reads = new RecentReads(new MemoryStorage(numBlocks * 512, { sparse: true }), 512)
  for (let block = 0; block < numBlocks; block += 3) reads.readAtSync!(new Uint8Array(1), block * 512)
  return new RecentFirstOrder(reads, new AnyBlockOrder(numBlocks))
}

/** As it is once the disk was handed over. */
const switched = <Order extends BlockOrder>(order: Order): Order => {
  order.afterSwitch!()
  return order
}

const orders: Record<string, BlockOrderFactory> = {
  'any block order': (numBlocks) => new AnyBlockOrder(numBlocks),
  'priority over any block order': (numBlocks) => new PriorityBlockOrder(new AnyBlockOrder(numBlocks)),
  'volatility monitor, calm': (numBlocks) => monitor(numBlocks),
  'volatility monitor, busy': (numBlocks) => monitor(numBlocks, 300),
  'priority over volatility': (numBlocks) => new PriorityBlockOrder(monitor(numBlocks, 300)),
  'volatility monitor after the switch': (numBlocks) => switched(monitor(numBlocks, 300)),
  'recent reads': recent,
  'recent reads after the switch': (numBlocks) => switched(recent(numBlocks)),
  'any block order in front of another': (numBlocks) => new AnyBlockOrder(numBlocks, new AnyBlockOrder(numBlocks)),
}

for (const [name, create] of Object.entries(orders)) {
  describe(name, () => {
    for (const { name, run } of blockOrderConformance(create)) test(name, run)
  })
}
