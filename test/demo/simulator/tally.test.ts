import { expect, it } from 'vitest'
import { readSeed, Tally } from '../../../demo/simulator/tally.ts'

const harvest = { runs: 10, steps: 1000, virtualMs: 5000, ms: 100, faults: { cut: 4, flip: 4 } }

it('adds up what is harvested, and follows the speed without trembling', () => {
  const tally = new Tally()
  tally.add(harvest)
  expect(tally.runsPerSecond).toBe(100)
  tally.add({ ...harvest, ms: 50, faults: { cut: 1, slow: 9 } })
  expect(tally).toMatchObject({ runs: 20, steps: 2000, virtualMs: 10_000, runsPerSecond: 120 })
})

it('sorts faults by how often they were met, then by name', () => {
  const tally = new Tally()
  tally.add({ ...harvest, faults: { flip: 2, cut: 2, slow: 3 } })
  expect(tally.sorted()).toEqual([
    ['slow', 3],
    ['cut', 2],
    ['flip', 2],
  ])
})

it('knows no speed of no time', () => {
  const tally = new Tally()
  tally.add({ ...harvest, ms: 0 })
  expect(tally.runsPerSecond).toBe(0)
})

it.each([
  ['1', 1],
  [' 42 ', 42],
  ['999999999', 999_999_999],
  ['1000000000', undefined],
  ['-1', undefined],
  ['1.5', undefined],
  ['', undefined],
])('reads the seed %o as %o', (text, seed) => {
  expect(readSeed(text)).toBe(seed)
})
