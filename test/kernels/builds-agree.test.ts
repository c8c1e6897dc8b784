import fc from 'fast-check'
import { test } from 'vitest'
import { seededRandom } from '../../src/async/random.ts'
import type { Kernels } from '../../src/kernels/kernels.ts'
import { createKernels } from '../../src/kernels/load.ts'
import { expectNumbers } from '../conformance/case.ts'

const BYTES = 4096
const BITS = BYTES * 8

/** One memory per build with the same three regions in the same places, so that the same call means the same. */
class Rival {
  readonly kernels: Kernels
  readonly a: number
  readonly b: number
  readonly out: number

  constructor(build: 'simd' | 'scalar' | 'typescript') {
    this.kernels = createKernels({ build })
    this.a = this.kernels.allocate(BYTES)
    this.b = this.kernels.allocate(BYTES)
    this.out = this.kernels.allocate(BITS * 4)
  }

  get memory(): Uint8Array {
    return new Uint8Array(this.kernels.buffer, this.a, 2 * BYTES + 4096)
  }

  /** Random bytes, long runs of zeroes and of ones, and stretches that `a` and `b` have in common. */
  fill(seed: number): void {
    const random = seededRandom(seed)
    const bytes = this.memory.fill(0)
    for (let at = 0; at < 2 * BYTES; ) {
      const end = Math.min(at + 1 + Math.floor(random() ** 3 * 1500), 2 * BYTES)
      const kind = random()
      if (kind < 0.4) for (let index = at; index < end; index++) bytes[index] = random() * 256
      else if (kind < 0.6) bytes.fill(0xff, at, end)
      else if (kind < 0.8 && at >= BYTES) bytes.copyWithin(at, at - BYTES, end - BYTES)
      at = end
    }
  }
}

type Call = readonly [name: string, run: (rival: Rival) => unknown]

const bit = fc.integer({ min: 0, max: BITS })
const bitRange = fc.tuple(bit, bit).map(([x, y]) => [Math.min(x, y), Math.max(x, y)] as const)
/** Two ranges of bytes that fit in their regions: offsets in `a` and in `b`, and the length. */
const byteRange = fc
  .tuple(fc.nat(130), fc.nat(130), fc.nat(BYTES - 130))
  .map(([left, right, length]) => ({ left, right, length }))
const vectors = fc.nat(BYTES / 16).map((count) => count * 16)

const call: fc.Arbitrary<Call> = fc.oneof(
  bitRange.map(([from, to]): Call => [`set ${from}..${to}`, (r) => r.kernels.bitSetRange(r.a, from, to)]),
  bitRange.map(([from, to]): Call => [`clear ${from}..${to}`, (r) => r.kernels.bitClearRange(r.a, from, to)]),
  bitRange.map(([from, to]): Call => [`count ${from}..${to}`, (r) => r.kernels.bitCount(r.b, from, to)]),
  bitRange.map(([from, to]): Call => [`next set ${from}..${to}`, (r) => r.kernels.bitNextSet(r.a, from, to)]),
  bitRange.map(([from, to]): Call => [`next clear ${from}..${to}`, (r) => r.kernels.bitNextClear(r.a, from, to)]),
  bitRange.map(([from, to]): Call => [`take ${from}..${to}`, (r) => r.kernels.bitTakeNextSet(r.a, from, to)]),
  fc
    .tuple(bitRange, fc.nat(2000))
    .map(
      ([[from, to], max]): Call => [
        `collect ${from}..${to}, at most ${max}`,
        (r) => r.kernels.bitCollect(r.a, from, to, r.out, max),
      ],
    ),
  vectors.map((bytes): Call => [`and ${bytes}`, (r) => r.kernels.bitAnd(r.a, r.b, bytes)]),
  vectors.map((bytes): Call => [`or ${bytes}`, (r) => r.kernels.bitOr(r.a, r.b, bytes)]),
  vectors.map((bytes): Call => [`and not ${bytes}`, (r) => r.kernels.bitAndNot(r.a, r.b, bytes)]),
  vectors.map((bytes): Call => [`intersects ${bytes}`, (r) => r.kernels.bitIntersects(r.a, r.b, bytes)]),
  fc
    .tuple(fc.nat(BYTES), fc.nat(BYTES), fc.nat(BYTES))
    .map(
      ([to, from, length]): Call => [
        `copy ${length} from ${from} to ${to}`,
        (r) => r.kernels.copy(r.a + to, r.a + from, length),
      ],
    ),
  byteRange.map(
    ({ left, right, length }): Call => [
      `first difference +${left} +${right} ${length}`,
      (r) => r.kernels.firstDifference(r.a + left, r.b + right, length),
    ],
  ),
  byteRange.map(
    ({ left, length }): Call => [`equal +${left} ${length}`, (r) => r.kernels.equal(r.a + left, r.b + left, length)],
  ),
  byteRange.map(
    ({ left, length }): Call => [`zero run +${left} ${length}`, (r) => r.kernels.zeroRun(r.a + left, length)],
  ),
  byteRange.map(
    ({ left, length }): Call => [`is zero +${left} ${length}`, (r) => r.kernels.isZero(r.a + left, length)],
  ),
  fc
    .tuple(byteRange, fc.integer({ min: 1, max: 600 }), fc.nat(300))
    .map(
      ([{ left, length }, size, max]): Call => [
        `changed pieces of ${size} in +${left} ${length}, at most ${max}`,
        (r) => r.kernels.changedBlocks(r.a + left, r.b + left, length, size, r.out, max),
      ],
    ),
  byteRange.map(
    ({ left, right, length }): Call => [
      `xor +${left} +${right} ${length}`,
      (r) => r.kernels.xor(r.a + left, r.b + right, length),
    ],
  ),
)

test('the three builds answer every sequence of calls alike and leave the same memory', () => {
  const rivals = (['typescript', 'scalar', 'simd'] as const).map((build) => new Rival(build))
  const [twin, ...others] = rivals as [Rival, ...Rival[]]
  fc.assert(
    fc.property(fc.integer(), fc.array(call, { minLength: 1, maxLength: 12 }), (seed, calls) => {
      for (const rival of rivals) rival.fill(seed)
      for (const [name, run] of calls) {
        const expected = run(twin)
        for (const rival of others) {
          const answer = run(rival)
          if (answer !== expected) throw new Error(`${name}: ${rival.kernels.build} ${answer}, twin ${expected}`)
        }
      }
      for (const rival of others) expectNumbers(rival.memory, twin.memory, `memory of ${rival.kernels.build}`)
    }),
    { numRuns: 1500 },
  )
})
