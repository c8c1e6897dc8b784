import { expect, it } from 'vitest'
import { fillDisk, surveyDisk } from '../../../demo/mover/fill.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'

const SIZE = 4 * 2 ** 20
const BLOCK_SIZE = 16384

function options(signal = new AbortController().signal) {
  const found = new Set<number>()
  return {
    found,
    options: {
      blockSize: BLOCK_SIZE,
      signal,
      found: (start: number, end: number) => {
        for (let block = start; block < end; block++) found.add(block)
      },
      turn: () => {},
    },
  }
}

it('finds when it looks through a disk what it wrote when it filled it', async () => {
  const disk = new MemoryStorage(SIZE)
  const filled = options()
  await fillDisk(disk, filled.options)
  const seen = options()
  await surveyDisk(disk, seen.options)
  expect([...seen.found]).toEqual([...filled.found])
  expect(filled.found.size).toBeGreaterThan(0)
  expect(filled.found.size).toBeLessThan(SIZE / BLOCK_SIZE)
  await disk.close()
})

it('finds a single byte in the last, short block', async () => {
  const disk = new MemoryStorage(BLOCK_SIZE * 2 + 1)
  await disk.writeAt(Uint8Array.of(1), BLOCK_SIZE * 2)
  const seen = options()
  await surveyDisk(disk, seen.options)
  expect([...seen.found]).toEqual([2])
  await disk.close()
})
