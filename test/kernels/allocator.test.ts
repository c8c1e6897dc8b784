import { expect, test } from 'vitest'
import { Allocator, type GrowableMemory } from '../../src/kernels/allocator.ts'
import { GROWTH_STEP_BYTES, MEMORY_PAGE_BYTES, SMALLEST_GROWTH_BYTES } from '../../src/kernels/limits.ts'

/** A memory that only remembers how long it is, and what it was asked for; it refuses more than `most`. */
class Ledger implements GrowableMemory {
  readonly asked: number[] = []
  readonly most: number
  #bytes = MEMORY_PAGE_BYTES

  constructor(most = Number.POSITIVE_INFINITY) {
    this.most = most
  }

  get buffer(): ArrayBuffer {
    return { byteLength: this.#bytes } as ArrayBuffer
  }

  grow(bytes: number): boolean {
    this.asked.push(bytes)
    if (bytes > this.most) return false
    this.#bytes = bytes
    return true
  }
}

test('many small allocations cost few growths', () => {
  const memory = new Ledger()
  const allocator = new Allocator(memory, 2 ** 32)
  for (let count = 0; count < 2 ** 14; count++) expect(allocator.allocate(4096)).not.toBe(0)
  expect(memory.asked.length).toBeLessThan(8)
  expect(memory.asked[0]).toBe(MEMORY_PAGE_BYTES + SMALLEST_GROWTH_BYTES)
})

test('growth never exceeds the need by more than the step', () => {
  const memory = new Ledger()
  const allocator = new Allocator(memory, 2 ** 32)
  allocator.allocate(2 ** 30)
  allocator.allocate(2 ** 30)
  expect(memory.buffer.byteLength).toBeLessThanOrEqual(2 ** 31 + GROWTH_STEP_BYTES + MEMORY_PAGE_BYTES)
  expect(memory.asked).toHaveLength(2)
})

test('where the generous growth is refused, the exact one is tried', () => {
  const memory = new Ledger(3 * MEMORY_PAGE_BYTES)
  const allocator = new Allocator(memory, 2 ** 32)
  expect(allocator.allocate(2 * MEMORY_PAGE_BYTES)).toBe(64)
  expect(memory.buffer.byteLength).toBe(3 * MEMORY_PAGE_BYTES)
  expect(allocator.allocate(MEMORY_PAGE_BYTES)).toBe(0)
})

test('the maximum is never passed, and can be reached', () => {
  const memory = new Ledger()
  const allocator = new Allocator(memory, 10 * MEMORY_PAGE_BYTES)
  expect(allocator.allocate(10 * MEMORY_PAGE_BYTES)).toBe(0)
  expect(memory.asked).toEqual([])
  expect(allocator.allocate(10 * MEMORY_PAGE_BYTES - 64)).toBe(64)
  expect(memory.buffer.byteLength).toBe(10 * MEMORY_PAGE_BYTES)
  expect(allocator.allocate(1)).toBe(0)
  allocator.free(64, 0)
})
