import { type Random, seededRandom } from '../../src/async/random.ts'
import type { Kernels } from '../../src/kernels/kernels.ts'
import { type ConformanceCase, expectNumbers, expectSame } from './case.ts'

/** Bits of the field most cases use: two lines of 64 bytes and a short rest, so that each loop of a kernel has work. */
const BITS = 1200
const BYTES = Math.ceil(BITS / 128) * 16
/** Around the borders of words, vectors and lines, and both ends. */
const EDGES = [0, 1, 31, 32, 33, 63, 64, 65, 127, 128, 129, 511, 512, 513, 1023, 1024, 1025, BITS - 1, BITS]
const DENSITIES = [0, 0.002, 0.05, 0.5, 0.95, 0.998, 1]

/** A field in the memory of the kernels under test, and the same bits as plain booleans. */
class Pair {
  readonly kernels: Kernels
  readonly field: number
  readonly model: boolean[] = new Array<boolean>(BITS).fill(false)

  constructor(kernels: Kernels, density = 0, random: Random = () => 1) {
    this.kernels = kernels
    this.field = kernels.allocate(BYTES)
    for (let bit = 0; bit < BITS; bit++) this.model[bit] = random() < density
    const bytes = new Uint8Array(kernels.buffer, this.field, BYTES)
    this.model.forEach((set, bit) => {
      if (set) bytes[bit >> 3]! |= 1 << (bit & 7)
    })
  }

  /** Every byte, those past the length included. */
  expectEqual(what: string): void {
    const expected = new Uint8Array(BYTES)
    this.model.forEach((set, bit) => {
      if (set) expected[bit >> 3]! |= 1 << (bit & 7)
    })
    expectNumbers(new Uint8Array(this.kernels.buffer, this.field, BYTES), expected, what)
  }

  numbers(from = 0, end = BITS): number[] {
    const numbers: number[] = []
    for (let bit = from; bit < end; bit++) if (this.model[bit]) numbers.push(bit)
    return numbers
  }

  free(): void {
    this.kernels.free(this.field, BYTES)
  }
}

/** Every pair of edges that is a range, the empty ones included. */
function ranges(): [start: number, end: number][] {
  return EDGES.flatMap((start) => EDGES.filter((end) => end >= start).map((end): [number, number] => [start, end]))
}

/** Work on bitfields. `kernels` is shared among the cases, `create` gives fresh ones for the case that needs much memory. */
export function bitCases(kernels: () => Kernels, create: () => Kernels, seed: number): ConformanceCase[] {
  return [
    { name: 'bits: the vectors written by hand', run: async () => vectors(kernels()) },
    {
      name: 'bits: ranges are set and cleared exactly, at every edge',
      async run() {
        for (const [start, end] of ranges()) {
          const pair = new Pair(kernels())
          kernels().bitSetRange(pair.field, start, end)
          pair.model.fill(true, start, end)
          pair.expectEqual(`set ${start}..${end}`)
          kernels().bitSetRange(pair.field, 0, BITS)
          kernels().bitClearRange(pair.field, start, end)
          pair.model.fill(true).fill(false, start, end)
          pair.expectEqual(`clear ${start}..${end}`)
          pair.free()
        }
      },
    },
    {
      name: 'bits: counts of any range agree with the model',
      async run() {
        const random = seededRandom(seed)
        for (const density of DENSITIES) {
          const pair = new Pair(kernels(), density, random)
          for (const [start, end] of ranges()) {
            const what = `seed ${seed}, density ${density}, ${start}..${end}`
            expectSame(kernels().bitCount(pair.field, start, end), pair.numbers(start, end).length, what)
          }
          pair.free()
        }
      },
    },
    {
      name: 'bits: the next set and the next clear bit, from every bit to every edge',
      async run() {
        const random = seededRandom(seed)
        for (const density of DENSITIES) {
          const pair = new Pair(kernels(), density, random)
          for (let from = 0; from <= BITS; from++) {
            for (const end of [from, Math.min(from + 1, BITS), BITS - 1, BITS, 512, 640]) {
              const what = `seed ${seed}, density ${density}, ${from}..${end}`
              const set = firstWhere(pair.model, true, from, end)
              const clear = firstWhere(pair.model, false, from, end)
              expectSame(kernels().bitNextSet(pair.field, from, end), set, `next set, ${what}`)
              expectSame(kernels().bitNextClear(pair.field, from, end), clear, `next clear, ${what}`)
            }
          }
          pair.free()
        }
      },
    },
    {
      name: 'bits: taking bits gives each once, ascending, and leaves the rest',
      async run() {
        const random = seededRandom(seed)
        for (const density of DENSITIES) {
          const pair = new Pair(kernels(), density, random)
          const expected = pair.numbers(33, 1025)
          const taken: number[] = []
          for (let bit = 33; ; ) {
            bit = kernels().bitTakeNextSet(pair.field, bit, 1025)
            if (bit === 1025) break
            taken.push(bit)
          }
          expectNumbers(taken, expected, `seed ${seed}, density ${density}`)
          pair.model.fill(false, 33, 1025)
          pair.expectEqual(`what is left, seed ${seed}, density ${density}`)
          pair.free()
        }
      },
    },
    {
      name: 'bits: and, or, and-not and intersects agree with the model, for every length',
      async run() {
        const random = seededRandom(seed)
        for (let bytes = 16; bytes <= BYTES; bytes += 16) {
          for (const density of [0.002, 0.5])
            combinations(kernels(), bytes, density, random, `seed ${seed}, ${bytes} bytes`)
        }
      },
    },
    {
      name: 'bits: a single bit in common is found wherever it is',
      async run() {
        const a = new Pair(kernels())
        const b = new Pair(kernels())
        kernels().bitSetRange(b.field, 0, BITS)
        for (let bit = 0; bit < BITS; bit++) {
          kernels().bitSetRange(a.field, bit, bit + 1)
          expectSame(kernels().bitIntersects(a.field, b.field, BYTES), true, `bit ${bit} in both`)
          kernels().bitClearRange(b.field, bit, bit + 1)
          expectSame(kernels().bitIntersects(a.field, b.field, BYTES), false, `bit ${bit} in one`)
          kernels().bitSetRange(b.field, bit, bit + 1)
          kernels().bitClearRange(a.field, bit, bit + 1)
        }
        a.free()
        b.free()
      },
    },
    {
      name: 'bits: collect lists the bits of a range, as many as asked for and no more',
      async run() {
        const random = seededRandom(seed)
        const out = kernels().allocate(BITS * 4 + 64)
        for (const density of DENSITIES) {
          const pair = new Pair(kernels(), density, random)
          for (const [from, end] of ranges()) {
            for (const max of [0, 1, 7, BITS]) {
              const list = new Uint32Array(kernels().buffer, out, BITS + 1).fill(0xdeadbeef)
              const expected = pair.numbers(from, end).slice(0, max)
              const what = `seed ${seed}, density ${density}, ${from}..${end}, at most ${max}`
              expectSame(kernels().bitCollect(pair.field, from, end, out, max), expected.length, what)
              expectNumbers(list.subarray(0, expected.length), expected, what)
              expectSame(list[expected.length], 0xdeadbeef, `the number behind the list, ${what}`)
            }
          }
          pair.free()
        }
        kernels().free(out, BITS * 4 + 64)
      },
    },
    { name: 'bits: numbers up to 2^32 - 2 are unsigned', run: async () => highBits(create()) },
  ]
}

/**
 * Three words of a field in hex, most significant digit first, and what follows from them:
 *
 * ```
 *   word 0  80000001   bits 0 and 31
 *   word 1  00000000
 *   word 2  0000f00f   bits 64-67 and 76-79
 * ```
 */
function vectors(kernels: Kernels): void {
  const field = kernels.allocate(16)
  const out = kernels.allocate(64)
  const words = [0x80000001, 0x00000000, 0x0000f00f, 0x00000000]
  new Uint32Array(kernels.buffer, field, 4).set(words)
  expectSame(kernels.bitCount(field, 0, 128), 10, 'count')
  expectSame(kernels.bitCount(field, 1, 66), 3, 'count of 1..66')
  expectSame(kernels.bitNextSet(field, 1, 128), 31, 'next set from 1')
  expectSame(kernels.bitNextSet(field, 32, 128), 64, 'next set from 32')
  expectSame(kernels.bitNextSet(field, 80, 128), 128, 'next set from 80')
  expectSame(kernels.bitNextClear(field, 64, 128), 68, 'next clear from 64')
  expectSame(kernels.bitNextClear(field, 64, 66), 66, 'next clear in 64..66')
  expectSame(kernels.bitCollect(field, 0, 128, out, 16), 10, 'collected')
  const numbers = [0, 31, 64, 65, 66, 67, 76, 77, 78, 79]
  expectNumbers(new Uint32Array(kernels.buffer, out, 10), numbers, 'the list')
  expectSame(kernels.bitTakeNextSet(field, 1, 128), 31, 'taken')
  kernels.bitSetRange(field, 30, 34)
  kernels.bitClearRange(field, 65, 77)
  expectNumbers(
    new Uint32Array(kernels.buffer, field, 4),
    [0xc0000001, 0x00000003, 0x0000e001, 0],
    'after set and clear',
  )
  kernels.free(field, 16)
  kernels.free(out, 64)
}

function combinations(kernels: Kernels, bytes: number, density: number, random: Random, what: string): void {
  const a = new Pair(kernels, density, random)
  const b = new Pair(kernels, density, random)
  const bits = Math.min(bytes * 8, BITS)
  const common = a.model.slice(0, bits).some((set, bit) => set && b.model[bit])
  expectSame(kernels.bitIntersects(a.field, b.field, bytes), common, `intersects, ${what}`)
  const operations: [string, (set: boolean, other: boolean) => boolean, (target: number, other: number) => void][] = [
    ['or', (set, other) => set || other, (target, other) => kernels.bitOr(target, other, bytes)],
    ['and not', (set, other) => set && !other, (target, other) => kernels.bitAndNot(target, other, bytes)],
    ['and', (set, other) => set && other, (target, other) => kernels.bitAnd(target, other, bytes)],
  ]
  for (const [name, naive, kernel] of operations) {
    const c = new Pair(kernels, 0.6, random)
    kernel(c.field, b.field)
    for (let bit = 0; bit < bits; bit++) c.model[bit] = naive(c.model[bit]!, b.model[bit]!)
    c.expectEqual(`${name}, ${what}`)
    c.free()
  }
  a.free()
  b.free()
}

/** A field of 512 MiB, of which only a few pages are touched. */
function highBits(kernels: Kernels): void {
  const end = 2 ** 32 - 1
  const field = kernels.allocate(2 ** 29)
  const out = kernels.allocate(64)
  kernels.bitSetRange(field, end - 3, end)
  kernels.bitSetRange(field, 2 ** 31 - 1, 2 ** 31 + 1)
  expectSame(kernels.bitCount(field, end - 1000, end), 3, 'count at the end')
  expectSame(kernels.bitNextSet(field, 2 ** 31 + 1, 2 ** 31 + 5000), 2 ** 31 + 5000, 'nothing behind the middle')
  expectSame(kernels.bitNextSet(field, end - 100_000, end), end - 3, 'next set at the end')
  expectSame(kernels.bitNextClear(field, 2 ** 31 - 1, end), 2 ** 31 + 1, 'next clear over the middle')
  expectSame(kernels.bitNextClear(field, end - 2, end), end, 'no clear bit before the end')
  expectSame(kernels.bitCollect(field, end - 2, end, out, 16), 2, 'collected')
  expectNumbers(new Uint32Array(kernels.buffer, out, 2), [end - 2, end - 1], 'the list')
  expectSame(kernels.bitTakeNextSet(field, end - 500, end), end - 3, 'taken')
  expectSame(kernels.bitTakeNextSet(field, 2 ** 31 - 500, end), 2 ** 31 - 1, 'taken in the middle')
  expectSame(kernels.bitTakeNextSet(field, 2 ** 31 - 500, end), 2 ** 31, 'taken behind the middle')
}

function firstWhere(model: readonly boolean[], wanted: boolean, from: number, end: number): number {
  for (let bit = from; bit < end; bit++) if (model[bit] === wanted) return bit
  return end
}
