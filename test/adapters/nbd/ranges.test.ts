import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocationOf } from '../../../src/adapters/nbd/allocation.ts'
import { BufferPool, HEAD_ROOM } from '../../../src/adapters/nbd/buffer-pool.ts'
import { HOLE_BYTES, IDLE_BUFFER_BYTES, STATUS_EXTENTS } from '../../../src/adapters/nbd/limits.ts'
import { splitZeroes } from '../../../src/adapters/nbd/zero-runs.ts'
import { propertyOptions } from '../../support/seed.ts'

const KiB = 1024

describe('zeroes in a buffer', () => {
  const buffer = fc.tuple(
    fc.integer({ min: 1, max: 160 * KiB }),
    fc.array(fc.tuple(fc.nat(160 * KiB), fc.integer({ min: 1, max: 60 * KiB })), { maxLength: 6 }),
  )

  it('are cut out whole, in order, and nothing else is', () => {
    fc.assert(
      fc.property(buffer, ([length, holes]) => {
        const words = new Int32Array(Math.ceil(length / 4) + 2).fill(-1)
        const bytes = new Uint8Array(words.buffer, 0, length).fill(1)
        for (const [from, count] of holes) bytes.fill(0, from, from + count)
        const stretches = splitZeroes(words, length) ?? [{ from: 0, to: length, zero: false }]
        let at = 0
        for (const [index, { from, to, zero }] of stretches.entries()) {
          expect(from).toBe(at)
          expect(to).toBeGreaterThan(from)
          if (index > 0) expect(from % 4096).toBe(0)
          if (zero) expect(bytes.subarray(from, to).some((byte) => byte !== 0)).toBe(false)
          if (zero) expect(to - from).toBeGreaterThanOrEqual(HOLE_BYTES)
          else expect(index > 0 && !stretches[index - 1]!.zero).toBe(false)
          at = to
        }
        expect(at).toBe(length)
        // A hole is seen wherever one surely fits between two borders.
        for (const [from, count] of holes) {
          const first = Math.ceil(from / 4096) * 4096
          const end = Math.floor(Math.min(from + count, length - 4) / 4096) * 4096
          if (end - first < HOLE_BYTES) continue
          expect(stretches.some((it) => it.zero && it.from <= first && it.to >= end)).toBe(true)
        }
      }),
      propertyOptions(200),
    )
  })

  it('are none in data, and all in a buffer of zeroes', () => {
    expect(splitZeroes(new Int32Array(KiB * 64).fill(1), 256 * KiB)).toBeUndefined()
    expect(splitZeroes(new Int32Array(KiB * 64), 256 * KiB)).toEqual([{ from: 0, to: 256 * KiB, zero: true }])
    expect(splitZeroes(new Int32Array(KiB), HOLE_BYTES - 4096)).toBeUndefined()
  })
})

describe('allocation of a range', () => {
  it.each([
    ['a hole', [], [[100, true]]],
    ['data', [[50, 100]], [[100, false]]],
    ['a hole before', [[60, 90]], [[10, true], [90, false]]], // biome-ignore format: reads as pairs
    ['a hole behind', [[50, 90]], [[90, false], [10, true]]], // biome-ignore format: reads as pairs
    ['two that touch', [[60, 10], [70, 10]], [[10, true], [20, false], [70, true]]], // biome-ignore format: reads as pairs
    ['one that passes the end', [[140, 100]], [[90, true], [10, false]]], // biome-ignore format: reads as pairs
  ] as [string, [number, number][], [number, boolean][]][])('is %s', (_, extents, expected) => {
    const ranges = allocationOf(
      extents.map(([offset, length]) => ({ offset, length })),
      50,
      100,
    )
    expect(ranges.map(({ length, hole }) => [length, hole])).toEqual(expected)
  })

  it('has a limit', () => {
    const extents = Array.from({ length: STATUS_EXTENTS }, (_, index) => ({ offset: index * 2 + 1, length: 1 }))
    const ranges = allocationOf(extents, 0, STATUS_EXTENTS * 2 + 1)
    expect(ranges.length).toBe(STATUS_EXTENTS)
    expect(ranges[0]).toEqual({ length: 1, hole: true })
  })
})

describe('the pool of buffers', () => {
  it('gives the last one back first, and none that is too small', () => {
    const pool = new BufferPool()
    const [first, second] = [pool.take(5000), pool.take(8000)]
    pool.give(first)
    pool.give(second)
    expect(pool.take(8192)).toBe(second)
    expect(pool.take(9000).bytes.length).toBe(HEAD_ROOM + 16384)
    expect(pool.take(4097)).toBe(first)
    expect(pool.take(0).bytes.length).toBe(HEAD_ROOM + 4096)
  })

  it('keeps no more than its limit', () => {
    const pool = new BufferPool()
    const large = pool.take(IDLE_BUFFER_BYTES)
    const small = pool.take(1)
    pool.give(large)
    pool.give(small)
    expect(pool.take(1)).not.toBe(small)
    expect(pool.take(IDLE_BUFFER_BYTES)).toBe(large)
    pool.give(small)
    expect(pool.take(1)).toBe(small)
  })
})
