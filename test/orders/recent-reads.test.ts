import { expect, test } from 'vitest'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import type { BlockOrder } from '../../src/orders/block-order.ts'
import { RECENT_READS } from '../../src/orders/limits.ts'
import { PriorityBlockOrder } from '../../src/orders/priority-block-order.ts'
import { RecentFirstOrder, RecentReads } from '../../src/orders/recent-reads.ts'
import { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'

const disk = (blocks: number) => new MemoryStorage(blocks * 512, { sparse: true })

function runs(order: BlockOrder, limit = 1): [number, number][] {
  const found: [number, number][] = []
  for (let run = order.next(limit); run; run = order.next(limit)) found.push([run.start, run.count])
  return found
}

test('remembers each block that a read touches, the latest first', async () => {
  const reads = new RecentReads(disk(10), 512)
  await reads.readAt(new Uint8Array(600), 500)
  reads.readAtSync!(new Uint8Array(1), 4096)
  await reads.readAt(new Uint8Array(1), 0)
  await reads.readAt(new Uint8Array(5000), 4608)
  await reads.readAt(new Uint8Array(0), 1024)
  await expect(reads.readAt(new Uint8Array(1), -1)).rejects.toThrow(RangeError)
  expect(reads.blocks()).toEqual([9, 0, 8, 2, 1])
})

test('forgets the oldest beyond its limit, and keeps the end of a read that is longer', async () => {
  const reads = new RecentReads(disk(RECENT_READS + 10), 512)
  await reads.readAt(new Uint8Array(512), 0)
  await reads.readAt(new Uint8Array((RECENT_READS + 5) * 512), 512)
  const blocks = reads.blocks()
  expect([blocks.length, blocks[0], blocks.at(-1)]).toEqual([RECENT_READS, RECENT_READS + 5, 6])
})

test('passes writes, zeroing and reads on', async () => {
  const reads = new RecentReads(disk(4), 512)
  await reads.writeAt(Uint8Array.of(1, 2), 510)
  reads.writeAtSync!(Uint8Array.of(3), 512)
  await reads.zeroAt!(510, 1)
  const bytes = new Uint8Array(3)
  await reads.readAt(bytes, 510)
  expect([...bytes]).toEqual([0, 2, 3])
})

test('sends what was read last first, but only after the switch and only what is missing', async () => {
  const reads = new RecentReads(disk(10), 512)
  for (const block of [8, 3, 6]) await reads.readAt(new Uint8Array(1), block * 512)
  const order = new RecentFirstOrder(reads, new AnyBlockOrder(10))
  order.addAll()
  expect(order.next(2)).toMatchObject({ start: 0, count: 2 })
  order.remove(3)
  order.afterSwitch()
  expect(runs(order, 2)).toEqual([
    [6, 2],
    [8, 2],
    [2, 1],
    [4, 2],
  ])
})

test('lets a block that is asked for pass, also after the switch', async () => {
  const reads = new RecentReads(disk(10), 512)
  await reads.readAt(new Uint8Array(1), 8 * 512)
  const order = new PriorityBlockOrder(new RecentFirstOrder(reads, new AnyBlockOrder(10)))
  for (const block of [1, 5, 8]) order.add(block)
  order.afterSwitch()
  order.prioritise(5)
  expect(runs(order)).toEqual([
    [5, 1],
    [8, 1],
    [1, 1],
  ])
})

test('after the switch the most volatile blocks go first', async () => {
  const monitor = new VolatilityMonitor(disk(6), 512)
  for (const [block, writes] of [
    [1, 3],
    [4, 1],
    [5, 2],
  ] as const) {
    for (let write = 0; write < writes; write++) await monitor.writeAt(new Uint8Array(1), block * 512)
  }
  const order = new AnyBlockOrder(6, monitor)
  for (let block = 0; block < 6; block++) monitor.add(block)
  expect(order.next()).toMatchObject({ start: 0 })
  order.afterSwitch()
  expect(runs(order).map(([start]) => start)).toEqual([1, 5, 4, 2, 3])
})
