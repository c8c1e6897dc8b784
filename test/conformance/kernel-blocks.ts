import { type Random, seededRandom } from '../../src/async/random.ts'
import type { Kernels } from '../../src/kernels/kernels.ts'
import { type ConformanceCase, expectNumbers, expectSame } from './case.ts'

/** Around the sizes of words, vectors and lines. */
const LENGTHS = [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200, 256]
/** Distances from an aligned address. */
const SHIFTS = [0, 1, 4, 8, 13]
/** Room for the longest range at the largest shift, with guard bytes on both sides. */
const ROOM = 320
const GUARD = 32

/** Runs `work` with two rooms of the memory; `a` and `b` are addresses with guard bytes around them. */
function withRooms(kernels: Kernels, work: (a: number, b: number) => void): void {
  const first = kernels.allocate(ROOM)
  const second = kernels.allocate(ROOM)
  work(first + GUARD, second + GUARD)
  kernels.free(first, ROOM)
  kernels.free(second, ROOM)
}

function view(kernels: Kernels, pointer: number, length: number): Uint8Array {
  return new Uint8Array(kernels.buffer, pointer, length)
}

/** Fills what a kernel must not look at: the bytes around a range. */
function guard(kernels: Kernels, pointer: number, length: number, value: number): void {
  view(kernels, pointer - GUARD, GUARD).fill(value)
  view(kernels, pointer + length, 16).fill(value)
}

function randomize(bytes: Uint8Array, random: Random): Uint8Array {
  for (let index = 0; index < bytes.length; index++) bytes[index] = random() * 256
  return bytes
}

/** The first, the last, and those at borders: where a difference is put. */
function positions(length: number): number[] {
  return [...new Set([0, 1, 7, 8, 15, 16, 63, 64, 127, length - 2, length - 1])].filter(
    (position) => position >= 0 && position < length,
  )
}

/** Work on blocks of bytes at any address. */
export function blockCases(kernels: () => Kernels, seed: number): ConformanceCase[] {
  return [
    { name: 'blocks: copies may overlap in both directions', run: async () => copies(kernels(), seededRandom(seed)) },
    {
      name: 'blocks: the first difference is found in ranges at any address, and none outside them',
      run: async () => differences(kernels(), seededRandom(seed)),
    },
    {
      name: 'blocks: a zero run ends at the first byte that is not zero',
      run: async () => zeroRuns(kernels()),
    },
    {
      name: 'blocks: changed pieces are listed, the short last one too, and never more than asked for',
      run: async () => changes(kernels(), seededRandom(seed), seed),
    },
    {
      name: 'blocks: xor changes the range and nothing around it',
      run: async () => xors(kernels(), seededRandom(seed), seed),
    },
  ]
}

function copies(kernels: Kernels, random: Random): void {
  const room = kernels.allocate(1024)
  for (const length of LENGTHS) {
    for (const distance of [-200, -65, -64, -17, -16, -8, -7, -1, 0, 1, 3, 8, 16, 17, 64, 65, 200]) {
      const expected = randomize(view(kernels, room, 1024), random).slice()
      expected.copyWithin(400 + distance, 400, 400 + length)
      kernels.copy(room + 400 + distance, room + 400, length)
      expectNumbers(view(kernels, room, 1024), expected, `${length} bytes by ${distance}`)
    }
  }
  kernels.free(room, 1024)
}

function differences(kernels: Kernels, random: Random): void {
  withRooms(kernels, (first, second) => {
    for (const length of LENGTHS) {
      for (const shiftA of SHIFTS) {
        for (const shiftB of SHIFTS) {
          const what = `${length} bytes at +${shiftA} and +${shiftB}`
          const a = first + shiftA
          const b = second + shiftB
          guard(kernels, a, length, 0x11)
          guard(kernels, b, length, 0x22)
          view(kernels, b, length).set(randomize(view(kernels, a, length), random))
          expectSame(kernels.firstDifference(a, b, length), length, `no difference in ${what}`)
          expectSame(kernels.equal(a, b, length), true, `equal, ${what}`)
          // From the end to the start, so that each time the new difference is in front of others.
          for (const position of positions(length).sort((x, y) => y - x)) {
            view(kernels, b, length)[position]! ^= 1 << Math.floor(random() * 8)
            expectSame(kernels.firstDifference(a, b, length), position, `difference at ${position} of ${what}`)
            expectSame(kernels.equal(a, b, length), false, `not equal at ${position}, ${what}`)
          }
        }
      }
    }
  })
}

function zeroRuns(kernels: Kernels): void {
  withRooms(kernels, (first) => {
    for (const length of LENGTHS) {
      for (const shift of SHIFTS) {
        const what = `${length} bytes at +${shift}`
        const pointer = first + shift
        guard(kernels, pointer, length, 0xff)
        view(kernels, pointer, length).fill(0)
        expectSame(kernels.zeroRun(pointer, length), length, `all zero, ${what}`)
        expectSame(kernels.isZero(pointer, length), true, `is zero, ${what}`)
        for (const position of positions(length).sort((x, y) => y - x)) {
          view(kernels, pointer, length)[position] = 0x80
          expectSame(kernels.zeroRun(pointer, length), position, `up to ${position} of ${what}`)
          expectSame(kernels.isZero(pointer, length), false, `not zero at ${position}, ${what}`)
        }
      }
    }
  })
}

function changes(kernels: Kernels, random: Random, seed: number): void {
  const length = 10_000
  const a = kernels.allocate(length)
  const b = kernels.allocate(length)
  const out = kernels.allocate((length + 1) * 4)
  for (const used of [0, 1, 4096, length - 1, length]) {
    for (const blockSize of [1, 3, 64, 100, 512, 4096, 16384]) {
      const left = randomize(view(kernels, a, length), random)
      const right = view(kernels, b, length)
      right.set(left)
      for (let flips = Math.floor(random() * 20); flips > 0; flips--) right[Math.floor(random() * length)]! ^= 1
      const expected: number[] = []
      for (let block = 0; block * blockSize < used; block++) {
        const end = Math.min((block + 1) * blockSize, used)
        const differs = left.subarray(block * blockSize, end).some((byte, i) => byte !== right[block * blockSize + i])
        if (differs) expected.push(block)
      }
      for (const max of [0, 1, 5, length]) {
        const what = `seed ${seed}, ${used} bytes, pieces of ${blockSize}, at most ${max}`
        const list = new Uint32Array(kernels.buffer, out, length + 1).fill(0xdeadbeef)
        const wanted = expected.slice(0, max)
        expectSame(kernels.changedBlocks(a, b, used, blockSize, out, max), wanted.length, what)
        expectNumbers(list.subarray(0, wanted.length), wanted, what)
        expectSame(list[wanted.length], 0xdeadbeef, `the number behind the list, ${what}`)
      }
    }
  }
  kernels.free(a, length)
  kernels.free(b, length)
  kernels.free(out, (length + 1) * 4)
}

function xors(kernels: Kernels, random: Random, seed: number): void {
  withRooms(kernels, (first, second) => {
    for (const length of LENGTHS) {
      for (const shiftA of SHIFTS) {
        for (const shiftB of SHIFTS) {
          const target = first + shiftA
          const before = randomize(view(kernels, first - GUARD, ROOM), random).slice()
          const source = randomize(view(kernels, second + shiftB, length), random).slice()
          kernels.xor(target, second + shiftB, length)
          source.forEach((byte, index) => {
            before[GUARD + shiftA + index]! ^= byte
          })
          const what = `seed ${seed}, ${length} bytes at +${shiftA} and +${shiftB}`
          expectNumbers(view(kernels, first - GUARD, ROOM), before, what)
          expectNumbers(view(kernels, second + shiftB, length), source, `the source, ${what}`)
        }
      }
    }
  })
}
