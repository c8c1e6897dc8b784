import { expect, it } from 'vitest'
import { countBlocks, DIRTY, HEAT_SHIFT, HOLDS_DATA, MOVED, MOVING, NOT_YET } from '../../demo/block-byte.ts'
import { chooseGrid, describeBlocks } from '../../demo/block-map.ts'
import { BLOCK_STATE } from '../../src/migration/progress.ts'

it('gives every block a cell while cells can be told apart, and several blocks one cell after that', () => {
  for (const [width, ratio] of [
    [328, 3],
    [358, 2],
    [808, 1],
    [808, 1.5],
  ] as const) {
    for (const blocks of [1, 256, 1000, 2048, 16_384, 262_144]) {
      const { pitch, columns, cells, blocksPerCell } = chooseGrid(blocks, width, ratio)
      expect(cells * blocksPerCell).toBeGreaterThanOrEqual(blocks)
      expect((cells - 1) * blocksPerCell).toBeLessThan(blocks)
      expect(columns * pitch).toBeLessThanOrEqual(width)
      expect(Math.ceil(cells / columns) * pitch).toBeLessThanOrEqual(300)
      expect(pitch).toBeGreaterThanOrEqual(3.9)
      expect(Number.isInteger(Math.round(pitch * ratio * 1e6) / 1e6)).toBe(true)
    }
  }
  expect(chooseGrid(256, 328, 3).blocksPerCell).toBe(1)
  expect(chooseGrid(2048, 328, 3).blocksPerCell).toBe(1)
  expect(chooseGrid(16_384, 808, 1).blocksPerCell).toBe(2)
})

it('survives a canvas of no width', () => {
  expect(chooseGrid(256, 0, 1).cells).toBeGreaterThan(0)
})

it('has the state numbers of the migrator', () => {
  expect({ notYet: NOT_YET, moving: MOVING, moved: MOVED, dirty: DIRTY }).toEqual(BLOCK_STATE)
})

it('counts and describes states', () => {
  const blocks = Uint8Array.of(NOT_YET, HOLDS_DATA, MOVED | HOLDS_DATA, MOVED, DIRTY | (3 << HEAT_SHIFT), MOVING)
  const counts = countBlocks(blocks)
  expect(counts).toEqual({ empty: 1, waiting: 1, moving: 1, moved: 2, dirty: 1, hot: 1 })
  expect(describeBlocks(counts, 6)).toBe(
    'Block map of 6 blocks: 2 moved, 1 moving, 1 dirty, 2 not yet moved; 1 written recently.',
  )
})
