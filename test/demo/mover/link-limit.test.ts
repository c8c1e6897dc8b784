import { expect, it } from 'vitest'
import { LinkLimit, linkWindow } from '../../../demo/mover/link-limit.ts'
import { DEFAULT_SETTINGS } from '../../../demo/mover/settings.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

it('lets bytes through at its rate, however many writes carry them', async () => {
  const clock = new VirtualClock()
  const link = new LinkLimit(new MemoryStorage(1 << 20), 1 << 20, clock)
  await Promise.all(Array.from({ length: 16 }, (_, index) => link.writeAt(new Uint8Array(65536), index * 65536)))
  // One MiB at one MiB a second, less what a late timer may catch up.
  expect(clock.now()).toBeGreaterThan(950)
  expect(clock.now()).toBeLessThan(1050)
  await link.close()
})

it('carries zeroes for nothing', async () => {
  const clock = new VirtualClock()
  const link = new LinkLimit(new MemoryStorage(1 << 20), 1024, clock)
  expect(await link.zeroAt!(0, 1 << 20)).toBe(1 << 20)
  expect(clock.now()).toBe(0)
  await link.close()
})

it('stops waiting when told to', async () => {
  const stop = new AbortController()
  const link = new LinkLimit(new MemoryStorage(1 << 20), 1024, new VirtualClock({ automatic: false }))
  const writing = link.writeAt(new Uint8Array(65536), 0, { signal: stop.signal })
  stop.abort()
  await expect(writing).rejects.toMatchObject({ code: 'ABORTED' })
  await link.close()
})

it('has a quarter of a second under way, in runs of whole blocks', () => {
  const { runBytes, concurrency } = linkWindow(DEFAULT_SETTINGS)
  expect(runBytes! * concurrency!.any).toBe(DEFAULT_SETTINGS.linkRate / 4)
  expect(linkWindow({ ...DEFAULT_SETTINGS, blockSize: 2 ** 20 }).runBytes).toBe(2 ** 20)
  expect(linkWindow({ ...DEFAULT_SETTINGS, linkRate: 0 })).toEqual({})
})
