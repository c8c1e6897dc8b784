import { describe, expect, test } from 'vitest'
import { Bitfield, LARGEST_BITFIELD } from '../../src/bitfield/bitfield.ts'
import type { KernelBuild } from '../../src/kernels/kernels.ts'
import { createKernels } from '../../src/kernels/load.ts'

const INVALID = expect.objectContaining({ code: 'INVALID_ARGUMENT' })

/** The set bits as text: `7 100-102`. */
function runsOf(field: Bitfield, maxRun?: number): string {
  const runs: string[] = []
  field.forEachRun((start, count) => runs.push(count === 1 ? `${start}` : `${start}-${start + count - 1}`), maxRun)
  return runs.join(' ')
}

function numbersOf(field: Bitfield, from = 0): number[] {
  const list = new Uint32Array(field.length)
  return [...list.subarray(0, field.collect(list, from))]
}

describe.each<KernelBuild>(['simd', 'scalar', 'typescript'])('a bitfield, %s', (build) => {
  const kernels = createKernels({ build })
  const create = (length: number, ...bits: number[]) => {
    const field = new Bitfield(length, kernels)
    for (const bit of bits) field.set(bit)
    return field
  }

  test('is empty at first and takes 16 bytes for every 128 bits begun', () => {
    for (const [length, bytes] of [
      [0, 0],
      [1, 16],
      [128, 16],
      [129, 32],
      [1000, 128],
    ]) {
      const field = create(length!)
      expect(field.byteLength).toBe(bytes)
      expect(field.count()).toBe(0)
      expect(field.isEmpty()).toBe(true)
    }
  })

  test('sets and clears one bit, tells what it was before, and leaves its neighbours', () => {
    for (const bit of [0, 1, 31, 32, 63, 64, 127, 128, 998, 999]) {
      const field = create(1000)
      expect(field.set(bit)).toBe(true)
      expect(field.set(bit)).toBe(false)
      expect(field.test(bit)).toBe(true)
      expect(numbersOf(field)).toEqual([bit])
      field.setAll()
      expect(field.clear(bit)).toBe(true)
      expect(field.clear(bit)).toBe(false)
      expect(field.test(bit)).toBe(false)
      expect(field.count()).toBe(999)
    }
  })

  test('sets and clears exactly a range', () => {
    const field = create(1000)
    field.setRange(100, 180)
    expect(runsOf(field)).toBe('100-179')
    field.setAll()
    field.clearRange(100, 180)
    expect(runsOf(field)).toBe('0-99 180-999')
    field.setRange(500, 500)
    field.clearRange(1000, 1000)
    expect(field.count()).toBe(920)
    field.clearAll()
    expect(field.isEmpty()).toBe(true)
  })

  test('knows whether a whole range is set', () => {
    const field = create(1000)
    field.setRange(100, 180)
    expect(field.nextClear(100, 180)).toBe(180)
    expect(field.nextClear(100, 181)).toBe(180)
    expect(field.nextClear(99)).toBe(99)
    field.clear(150)
    expect(field.nextClear(100, 180)).toBe(150)
  })

  test('counts all, and those of a range', () => {
    const field = create(1000)
    field.setRange(100, 180)
    expect(field.count()).toBe(80)
    expect(field.count(95, 105)).toBe(5)
    expect(field.count(180)).toBe(0)
    expect(field.count(150, 150)).toBe(0)
  })

  test('is empty, then not, then empty again', () => {
    const field = create(1000)
    field.set(999)
    expect(field.isEmpty()).toBe(false)
    field.clear(999)
    expect(field.isEmpty()).toBe(true)
  })

  test('collects set bits ascending, as many as fit, from where it is told', () => {
    const field = create(1000, 100, 101, 102, 103, 200)
    expect(numbersOf(field)).toEqual([100, 101, 102, 103, 200])
    expect(numbersOf(field, 102)).toEqual([102, 103, 200])
    expect(numbersOf(field, 1000)).toEqual([])
    const few = new Uint32Array(3)
    expect(field.collect(few)).toBe(3)
    expect([...few]).toEqual([100, 101, 102])
    expect(field.collect(new Uint32Array(0))).toBe(0)
  })

  test('collects more than the scratch holds', () => {
    const field = create(20_000)
    field.setAll()
    field.clear(7)
    const numbers = numbersOf(field)
    expect(numbers).toHaveLength(19_999)
    expect(numbers.every((bit, index) => bit === (index < 7 ? index : index + 1))).toBe(true)
  })

  test('visits runs, cut where they are longer than asked for', () => {
    const field = create(1000, 7, 100, 101, 102, 905, 907)
    expect(runsOf(field)).toBe('7 100-102 905 907')
    expect(runsOf(field, 2)).toBe('7 100-101 102 905 907')
    field.setAll()
    expect(runsOf(field)).toBe('0-999')
    expect(runsOf(field, 400)).toBe('0-399 400-799 800-999')
  })

  test('a visitor may clear the run it is given', () => {
    const field = create(1000)
    field.setRange(10, 300)
    let visited = 0
    field.forEachRun((start, count) => {
      field.clearRange(start, start + count)
      visited += count
    }, 7)
    expect(visited).toBe(290)
    expect(field.isEmpty()).toBe(true)
  })

  test('the gaps between set bits are found from both sides', () => {
    const field = create(908)
    field.setAll()
    field.clearRange(7, 100)
    field.clearRange(900, 908)
    expect(field.nextClear(0)).toBe(7)
    expect(field.nextSet(7)).toBe(100)
    expect(field.nextClear(100)).toBe(900)
    expect(field.nextSet(900)).toBe(-1)
    expect(field.nextClear(908)).toBe(908)
  })

  test('searches find each bit once, and may begin at the end', () => {
    for (const length of [1, 127, 128, 129, 1000]) {
      const field = create(length, 0, length - 1)
      expect(field.nextSet(0)).toBe(0)
      expect(field.nextSet(length - 1)).toBe(length - 1)
      expect(field.nextSet(length)).toBe(-1)
      expect(field.takeNextSet(length)).toBe(-1)
      expect(field.takeNextSet(0)).toBe(0)
      expect(field.takeNextSet(0)).toBe(length === 1 ? -1 : length - 1)
      expect(field.takeNextSet(0)).toBe(-1)
    }
    expect(create(0).nextSet(0)).toBe(-1)
    expect(create(0).nextClear(0)).toBe(0)
  })

  test('only those bits of a range that a mask has are added, by a masked copy', () => {
    const mask = create(1000)
    mask.setRange(150, 250)
    const field = create(1000, 5)
    const wanted = create(1000)
    wanted.setRange(100, 200)
    wanted.and(mask)
    field.or(wanted)
    expect(runsOf(field)).toBe('5 150-199')
  })

  test('combines with another field, in its own memory or another', () => {
    for (const other of [kernels, createKernels({ build: 'typescript' }), createKernels({ build: 'simd' })]) {
      const operand = new Bitfield(300, other)
      operand.setRange(100, 200)
      const field = create(300)
      field.setRange(150, 250)
      expect(field.intersects(operand)).toBe(true)
      field.or(operand)
      expect(runsOf(field)).toBe('100-249')
      field.clearRange(120, 130)
      field.and(operand)
      expect(runsOf(field)).toBe('100-119 130-199')
      operand.clearRange(110, 140)
      field.andNot(operand)
      expect(runsOf(field)).toBe('110-119 130-139')
      expect(field.intersects(operand)).toBe(false)
      field.copyFrom(operand)
      expect(runsOf(field)).toBe('100-109 140-199')
    }
  })

  test('a field combined with itself stays, or becomes empty', () => {
    const field = create(300, 1, 2, 299)
    field.and(field)
    field.or(field)
    expect(field.intersects(field)).toBe(true)
    field.copyFrom(field)
    expect(runsOf(field)).toBe('1-2 299')
    field.andNot(field)
    expect(field.isEmpty()).toBe(true)
  })

  test('a clone has the same bits and a life of its own', () => {
    const field = create(300, 1, 299)
    const clone = field.clone()
    field.free()
    clone.set(2)
    expect(runsOf(clone)).toBe('1-2 299')
  })

  test('refuses numbers that are not bits of it', () => {
    const field = create(1000)
    for (const bit of [-1, 1000, 0.5, Number.NaN, 2 ** 32, Number.POSITIVE_INFINITY]) {
      expect(() => field.test(bit)).toThrowError(INVALID)
      expect(() => field.set(bit)).toThrowError(INVALID)
      expect(() => field.clear(bit)).toThrowError(INVALID)
      if (bit === 1000) continue
      expect(() => field.nextSet(bit)).toThrowError(INVALID)
      expect(() => field.takeNextSet(bit)).toThrowError(INVALID)
      expect(() => field.nextClear(bit)).toThrowError(INVALID)
      expect(() => field.collect(new Uint32Array(1), bit)).toThrowError(INVALID)
      for (const range of ['setRange', 'clearRange', 'count', 'nextClear'] as const) {
        expect(() => field[range](bit, 1000)).toThrowError(INVALID)
        expect(() => field[range](0, bit)).toThrowError(INVALID)
      }
    }
    expect(() => field.setRange(10, 9)).toThrowError(INVALID)
    expect(() => field.setRange(0, 1001)).toThrowError(INVALID)
    expect(() => field.forEachRun(() => {}, 0)).toThrowError(INVALID)
    expect(() => field.forEachRun(() => {}, 1.5)).toThrowError(INVALID)
    expect(field.isEmpty()).toBe(true)
  })

  test('refuses lengths it cannot have, and operands of another length', () => {
    for (const length of [-1, 0.5, Number.NaN, LARGEST_BITFIELD + 1]) expect(() => create(length)).toThrowError(INVALID)
    for (const name of ['and', 'or', 'andNot', 'intersects', 'copyFrom'] as const) {
      expect(() => create(128)[name](create(127))).toThrowError(INVALID)
    }
  })

  test('survives that its memory is replaced', () => {
    const memory = createKernels({ build })
    const field = new Bitfield(1000, memory)
    field.setRange(990, 1000)
    const others: Bitfield[] = []
    const grow = () => others.push(new Bitfield(memory.buffer.byteLength * 8, memory))
    for (const work of [
      () => expect(field.test(999)).toBe(true),
      () => expect(field.set(5)).toBe(true),
      () => expect(field.clear(5)).toBe(true),
      () => expect(field.nextSet(0)).toBe(990),
      () => expect(field.takeNextSet(0)).toBe(990),
      () => expect(field.nextClear(991)).toBe(1000),
      () => expect(field.count()).toBe(9),
      () => expect(numbersOf(field)).toHaveLength(9),
      () => expect(runsOf(field.clone())).toBe('991-999'),
    ]) {
      const before = memory.buffer
      grow()
      expect(memory.buffer).not.toBe(before)
      work()
      if (memory.buffer.byteLength > 2 ** 24) for (const other of others.splice(0)) other.free()
    }
  })

  test('gives its memory back when freed, once, and is of no use after', () => {
    const memory = createKernels({ build, fixedBytes: 2 ** 16 })
    for (let round = 0; round < 10; round++) {
      const field = new Bitfield(2 ** 18, memory)
      expect(field.set(9)).toBe(true)
      field.free()
      field.free()
      expect(() => field.test(0)).toThrowError(INVALID)
      expect(() => field.set(0)).toThrowError(INVALID)
      expect(() => field.clear(0)).toThrowError(INVALID)
      expect(() => field.setAll()).toThrowError(INVALID)
      expect(() => field.clearAll()).toThrowError(INVALID)
      expect(() => field.count()).toThrowError(INVALID)
      expect(() => field.nextSet(0)).toThrowError(INVALID)
      expect(() => field.nextSet(2 ** 18)).toThrowError(INVALID)
      expect(() => field.nextClear(0)).toThrowError(INVALID)
      expect(() => field.takeNextSet(0)).toThrowError(INVALID)
      expect(() => field.collect(new Uint32Array(1))).toThrowError(INVALID)
      expect(() => field.isEmpty()).toThrowError(INVALID)
      expect(() => field.clone()).toThrowError(INVALID)
      expect(() => field.forEachRun(() => {})).toThrowError(INVALID)
      const other = new Bitfield(2 ** 18, memory)
      for (const name of ['and', 'or', 'andNot', 'intersects', 'copyFrom'] as const) {
        expect(() => field[name](other)).toThrowError(INVALID)
        expect(() => other[name](field)).toThrowError(INVALID)
      }
      other.free()
    }
  })

  test('that does not fit is refused by code and takes nothing', () => {
    const bytes = 2 ** 16 - 64
    const memory = createKernels({ build, fixedBytes: bytes })
    for (let round = 0; round < 3; round++) {
      expect(() => new Bitfield(bytes * 8 + 1, memory)).toThrowError(expect.objectContaining({ code: 'OUT_OF_MEMORY' }))
    }
    const field = new Bitfield(bytes * 8, memory)
    expect(() => field.clone()).toThrowError(expect.objectContaining({ code: 'OUT_OF_MEMORY' }))
  })

  test('collects even where no room is left for the list', () => {
    const bytes = 2 ** 16 - 64
    const field = new Bitfield(bytes * 8, createKernels({ build, fixedBytes: bytes }))
    field.setRange(100, 110)
    const list = new Uint32Array(4)
    expect(field.collect(list)).toBe(4)
    expect([...list]).toEqual([100, 101, 102, 103])
    expect(field.collect(list, 108)).toBe(2)
    expect([...list]).toEqual([108, 109, 102, 103])
  })

  test('may be as long as a 32-bit number', () => {
    const field = new Bitfield(LARGEST_BITFIELD, createKernels({ build }))
    const last = LARGEST_BITFIELD - 1
    expect(field.set(last)).toBe(true)
    expect(field.set(2 ** 31)).toBe(true)
    expect(field.test(last)).toBe(true)
    expect(field.nextSet(last - 40)).toBe(last)
    expect(field.nextSet(2 ** 31)).toBe(2 ** 31)
    expect(field.nextSet(2 ** 31 - 1)).toBe(2 ** 31)
    expect(field.nextClear(last)).toBe(LARGEST_BITFIELD)
    expect(field.nextClear(2 ** 31)).toBe(2 ** 31 + 1)
    expect(field.takeNextSet(last - 5)).toBe(last)
    expect(field.nextSet(last)).toBe(-1)
    field.free()
  })
})
