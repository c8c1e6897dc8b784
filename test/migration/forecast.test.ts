import { expect, it } from 'vitest'
import { Forecaster, type Measured } from '../../src/migration/forecast.ts'

/** A fifth of 1000 blocks moved in 200 ms, of which half the time any of them was tracked. */
const fifth: Measured = {
  elapsedMs: 200,
  plannedBlocks: 1000,
  movedBlocks: 200,
  pendingBlocks: 800,
  dirtyBlocks: 0,
  isFirstPass: true,
}

function forecaster(): Forecaster {
  const forecaster = new Forecaster()
  forecaster.note(100, 0.1)
  forecaster.note(200, 0.2)
  return forecaster
}

it('knows nothing before the first block', () => {
  expect(forecaster().predict({ ...fifth, movedBlocks: 0 }, { dirtiedBlocks: 0, canSwitch: false })).toBeUndefined()
})

it('a calm disk takes as long as one pass', () => {
  const forecast = forecaster().predict(fifth, { dirtiedBlocks: 0, canSwitch: false })
  expect(forecast).toEqual({ durationMs: 1000, msPerBlock: 1, dirtyPerMs: 0 })
})

it('counts dirty blocks over the time in which they could become dirty', () => {
  // 100 ms with a tenth tracked and 100 ms with a fifth: as much as 30 ms of the whole disk.
  const forecast = forecaster().predict({ ...fifth, dirtyBlocks: 15 }, { dirtiedBlocks: 15, canSwitch: false })!
  expect(forecast.dirtyPerMs).toBeCloseTo(0.5)
  // 800 to go, of which 200 become dirty, and 15 that are; each round leaves half of them.
  expect(forecast.durationMs).toBeCloseTo(200 + 800 + 2 * (15 + 200))
})

it('never ends where blocks become dirty faster than they move, unless the rest may follow', () => {
  const busy = { ...fifth, dirtyBlocks: 45 }
  const at = (canSwitch: boolean) => forecaster().predict(busy, { dirtiedBlocks: 45, canSwitch })!.durationMs
  expect(at(false)).toBe(Number.POSITIVE_INFINITY)
  // More than the 40 blocks that may become dirty already are: then it is handed over.
  expect(at(true)).toBeCloseTo(200 + 800 + 45)
})

it('allows for what may still become dirty before the hand-over', () => {
  const forecast = forecaster().predict({ ...fifth, dirtyBlocks: 10 }, { dirtiedBlocks: 10, canSwitch: true })!
  expect(forecast.durationMs).toBeCloseTo(200 + 800 + 10 + 30)
})
