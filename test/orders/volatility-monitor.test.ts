import { expect, test } from 'vitest'
import type { Clock } from '../../src/async/clock.ts'
import { seededRandom } from '../../src/async/random.ts'
import { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import { HIGHEST_LEVEL, WriteCounters } from '../../src/orders/write-counters.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'

function clockByHand(): Clock & { ms: number } {
  const clock = { ms: 0, now: () => clock.ms, sleep: async () => {}, yield: async () => {} }
  return clock
}

function starts(monitor: VolatilityMonitor): number[] {
  const blocks: number[] = []
  for (let run = monitor.next(); run; run = monitor.next()) blocks.push(run.start)
  return blocks
}

test('counts each block that a write touches', async () => {
  const monitor = new VolatilityMonitor(new MemoryStorage(4096 * 50), 4096)
  const data = new Uint8Array(8192)
  for (const offset of [10, 7000, 7004, 190_000]) await monitor.writeAt(data, offset)
  const levels = Array.from({ length: 50 }, (_, block) => monitor.level(block))
  const written = Object.fromEntries(levels.flatMap((level, block) => (level > 0 ? [[block, level]] : [])))
  expect(written).toEqual({ 0: 1, 1: 3, 2: 3, 3: 2, 46: 1, 47: 1, 48: 1 })
})

test('hands out the calmest blocks first, ties from low to high', async () => {
  const monitor = new VolatilityMonitor(new MemoryStorage(512 * 8), 512)
  for (const [block, writes] of [
    [1, 3],
    [4, 1],
    [5, 1],
    [6, 2],
  ] as const) {
    for (let write = 0; write < writes; write++) await monitor.writeAt(new Uint8Array(1), block * 512)
  }
  monitor.addAll()
  expect(starts(monitor)).toEqual([0, 2, 3, 7, 4, 5, 6, 1])
})

test('a run never mixes in a hotter block', async () => {
  const monitor = new VolatilityMonitor(new MemoryStorage(512 * 8), 512)
  await monitor.writeAt(new Uint8Array(1), 3 * 512)
  monitor.addAll()
  expect({ ...monitor.next(8) }).toEqual({ start: 0, count: 3, type: 'standard' })
  expect({ ...monitor.next(8) }).toEqual({ start: 4, count: 4, type: 'standard' })
  expect({ ...monitor.next(8) }).toEqual({ start: 3, count: 1, type: 'standard' })
})

test('zeroing and synchronous writes count as writes, reads do not', async () => {
  const monitor = new VolatilityMonitor(new MemoryStorage(512 * 4), 512)
  monitor.writeAtSync!(new Uint8Array(1), 0)
  await monitor.zeroAt!(512, 512)
  await monitor.readAt(new Uint8Array(2048), 0)
  expect([0, 1, 2, 3].map((block) => monitor.level(block))).toEqual([1, 1, 0, 0])
})

test('an empty write and one outside the disk count for nothing', async () => {
  const monitor = new VolatilityMonitor(new MemoryStorage(512 * 4), 512)
  await monitor.writeAt(new Uint8Array(0), 0)
  await expect(monitor.writeAt(new Uint8Array(1), -1)).rejects.toThrow(RangeError)
  await expect(monitor.writeAt(new Uint8Array(1), Number.NaN)).rejects.toThrow(RangeError)
  expect([0, 1, 2, 3].map((block) => monitor.level(block))).toEqual([0, 0, 0, 0])
})

test('a write counts half after each half-life and is forgotten in the end', async () => {
  const clock = clockByHand()
  const monitor = new VolatilityMonitor(new MemoryStorage(512 * 4), 512, { clock, halfLifeMs: 50 })
  for (let write = 0; write < 4; write++) await monitor.writeAt(new Uint8Array(1), 512)
  monitor.addAll()
  clock.ms = 49
  await monitor.writeAt(new Uint8Array(1), 0)
  expect(monitor.level(1)).toBe(4)
  clock.ms = 101
  await monitor.writeAt(new Uint8Array(1), 3 * 512)
  expect([0, 1, 3].map((block) => monitor.level(block))).toEqual([0, 1, 1])
  clock.ms = 10_000
  expect(starts(monitor)).toEqual([0, 1, 2, 3])
  expect(monitor.level(1)).toBe(0)
})

test('a hot block that calms down in the middle of a drain still comes, once', async () => {
  const clock = clockByHand()
  const monitor = new VolatilityMonitor(new MemoryStorage(512 * 200), 512, { clock, halfLifeMs: 10 })
  for (let write = 0; write < 30; write++) await monitor.writeAt(new Uint8Array(512 * 20), 0)
  monitor.addAll()
  const blocks: number[] = []
  for (let run = monitor.next(); run; run = monitor.next()) {
    blocks.push(run.start)
    clock.ms += 1
  }
  expect(blocks.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, block) => block))
})

test('levels count exactly up to 7 and then by factors of two', () => {
  const counters = new WriteCounters(8, seededRandom(5))
  for (let write = 1; write <= 7; write++) {
    counters.record(0)
    expect(counters.level(0)).toBe(write)
  }
  const writesAt: number[] = []
  for (let write = 8; counters.level(0) < HIGHEST_LEVEL && write < 100_000; write++) {
    counters.record(0)
    writesAt[counters.level(0)] ??= write
  }
  // Expected 7 + 2 + 4 + … + 256 = 517 writes; a chance of less than one in a thousand lies outside these bounds.
  expect(writesAt[HIGHEST_LEVEL]).toBeGreaterThan(150)
  expect(writesAt[HIGHEST_LEVEL]).toBeLessThan(1500)
})

test('neighbours in one byte do not disturb each other, and idle pages take no memory', () => {
  const counters = new WriteCounters(10_000)
  expect(counters.byteLength).toBe(0)
  counters.record(4096)
  counters.record(4097)
  counters.record(4097)
  expect([4095, 4096, 4097, 4098].map((block) => counters.level(block))).toEqual([0, 1, 2, 0])
  expect(counters.byteLength).toBe(2048)
  counters.halve()
  counters.halve()
  expect(counters.byteLength).toBe(0)
})
