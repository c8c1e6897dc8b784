import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Bitfield } from '../../src/bitfield/bitfield.ts'
import type { KernelBuild } from '../../src/kernels/kernels.ts'
import { createKernels } from '../../src/kernels/load.ts'

/** A field and the plain set it must equal. */
interface Pair {
  readonly field: Bitfield
  readonly model: Set<number>
}

/** One change of `pair`; `other` is an operand of the same length. Positions are parts of the length, so that they fit any. */
type Step = (pair: Pair, other: Pair) => void

const part = fc.double({ min: 0, max: 1, noNaN: true })
const range = fc.tuple(part, part).map(([x, y]) => [Math.min(x, y), Math.max(x, y)] as const)

const step: fc.Arbitrary<Step> = fc.oneof(
  part.map(
    (at): Step =>
      ({ field, model }) => {
        const bit = Math.min(Math.floor(at * field.length), field.length - 1)
        expect(field.set(bit)).toBe(!model.has(bit))
        model.add(bit)
        expect(field.test(bit)).toBe(true)
      },
  ),
  part.map(
    (at): Step =>
      ({ field, model }) => {
        const bit = Math.min(Math.floor(at * field.length), field.length - 1)
        expect(field.clear(bit)).toBe(model.delete(bit))
        expect(field.test(bit)).toBe(false)
      },
  ),
  range.map(
    ([from, to]): Step =>
      ({ field, model }) => {
        const [start, end] = [Math.floor(from * field.length), Math.floor(to * field.length)]
        field.setRange(start, end)
        for (let bit = start; bit < end; bit++) model.add(bit)
      },
  ),
  range.map(
    ([from, to]): Step =>
      ({ field, model }) => {
        const [start, end] = [Math.floor(from * field.length), Math.floor(to * field.length)]
        field.clearRange(start, end)
        for (let bit = start; bit < end; bit++) model.delete(bit)
      },
  ),
  part.map(
    (at): Step =>
      ({ field, model }) => {
        const from = Math.floor(at * field.length)
        const expected = sorted(model).find((bit) => bit >= from) ?? -1
        expect(field.nextSet(from)).toBe(expected)
        const middle = from + Math.floor((field.length - from) / 2)
        expect(field.nextSet(from, middle)).toBe(expected < middle ? expected : -1)
        expect(field.takeNextSet(from)).toBe(expected)
        model.delete(expected)
      },
  ),
  range.map(
    ([from, to]): Step =>
      ({ field, model }) => {
        const [start, end] = [Math.floor(from * field.length), Math.floor(to * field.length)]
        let expected = start
        while (expected < end && model.has(expected)) expected++
        expect(field.nextClear(start, end)).toBe(expected)
        expect(field.count(start, end)).toBe(sorted(model).filter((bit) => bit >= start && bit < end).length)
      },
  ),
  fc.tuple(part, fc.nat(50)).map(
    ([at, room]): Step =>
      ({ field, model }) => {
        const from = Math.floor(at * field.length)
        const list = new Uint32Array(room)
        const expected = sorted(model).filter((bit) => bit >= from)
        const got = field.collect(list, from)
        expect([...list.subarray(0, got)]).toEqual(expected.slice(0, room))
      },
  ),
  fc.integer({ min: 1, max: 200 }).map(
    (maxRun): Step =>
      ({ field, model }) => {
        const visited: number[] = []
        let behind = -1
        field.forEachRun((start, count) => {
          expect(count).toBeLessThanOrEqual(maxRun)
          // Pieces of a run may touch only where the first of them is as long as allowed.
          expect(start).toBeGreaterThanOrEqual(behind)
          behind = count === maxRun ? start + count : start + count + 1
          for (let bit = start; bit < start + count; bit++) visited.push(bit)
        }, maxRun)
        expect(visited).toEqual(sorted(model))
      },
  ),
  fc.constant<Step>((pair, other) => {
    pair.field.or(other.field)
    for (const bit of other.model) pair.model.add(bit)
  }),
  fc.constant<Step>((pair, other) => {
    pair.field.andNot(other.field)
    for (const bit of other.model) pair.model.delete(bit)
  }),
  fc.constant<Step>((pair, other) => {
    expect(pair.field.intersects(other.field)).toBe([...other.model].some((bit) => pair.model.has(bit)))
    pair.field.and(other.field)
    for (const bit of pair.model) if (!other.model.has(bit)) pair.model.delete(bit)
  }),
  fc.constant<Step>((pair, other) => {
    pair.field.copyFrom(other.field)
    pair.model.clear()
    for (const bit of other.model) pair.model.add(bit)
  }),
)

function sorted(model: ReadonlySet<number>): number[] {
  return [...model].sort((a, b) => a - b)
}

function expectEqual({ field, model }: Pair): void {
  const list = new Uint32Array(field.length)
  expect([...list.subarray(0, field.collect(list))]).toEqual(sorted(model))
  expect(field.count()).toBe(model.size)
  expect(field.isEmpty()).toBe(model.size === 0)
}

describe.each<[KernelBuild, KernelBuild]>([
  ['simd', 'simd'],
  ['scalar', 'scalar'],
  ['typescript', 'typescript'],
  ['simd', 'typescript'],
])('bitfields in %s and %s', (left, right) => {
  const memories = [createKernels({ build: left }), left === right ? undefined : createKernels({ build: right })]

  test('equal a plain set after every sequence of changes', () => {
    const turn = fc.tuple(fc.boolean(), step)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1500 }), fc.array(turn, { maxLength: 25 }), (length, turns) => {
        const [first, second] = [memories[0]!, memories[1] ?? memories[0]!]
        const a: Pair = { field: new Bitfield(length, first), model: new Set() }
        const b: Pair = { field: new Bitfield(length, second), model: new Set() }
        try {
          for (const [swapped, change] of turns) change(swapped ? b : a, swapped ? a : b)
          expectEqual(a)
          expectEqual(b)
        } finally {
          a.field.free()
          b.field.free()
        }
      }),
      { numRuns: 300 },
    )
  })
})
