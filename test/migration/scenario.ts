import fc from 'fast-check'

/** One migration with everything around it. All chance inside comes from `seed`. */
export interface Scenario {
  readonly seed: number
  readonly blockSize: number
  readonly blocks: number
  /** Thousandths of the last block that the disk lacks. */
  readonly missing: number
  readonly source: 'memory' | 'sparse' | 'holey' | 'slow' | 'slow-holey'
  readonly destination: 'memory' | 'sparse' | 'slow' | 'slow-without-discard'
  readonly order: 'any' | 'priority' | 'volatility' | 'priority-volatility'
  readonly runBlocks: number
  readonly concurrency: number
  /** How long looking at the clock takes; with 0 the synchronous way never yields. */
  readonly tickMs: number
  readonly writers: number
  /** Writes of each writer. */
  readonly writes: number
  /** `passing`: a call in thirty fails. `heavy`: a call in four, and one block for ever. */
  readonly faults: 'none' | 'passing' | 'heavy'
  /** The destination acknowledges some writes and stores something else. */
  readonly corrupts: boolean
  /** Aborts at this call of a storage; 0 for never. */
  readonly abortAt: number
  /** The destination is empty and said to be. */
  readonly fresh: boolean
  readonly verify: 'read-back' | 'root' | 'none'
  /** The error handler puts blocks back. */
  readonly putsBack: boolean
  /** By hand: does not wait for one round to end before the next. */
  readonly eager: boolean
  /** The second attempt takes over what is left in the order; otherwise it starts with all blocks. */
  readonly keepsOrder: boolean
}

const oftenFirst = <Value>(first: Value, ...others: Value[]) =>
  fc.oneof({ arbitrary: fc.constant(first), weight: 2 * others.length }, ...others.map((other) => fc.constant(other)))

/** Disks stay as small as that, or two blocks: what counts is the number of cases. */
const DISK_BYTES = 2 ** 14

const anyScenario: fc.Arbitrary<Scenario> = fc.record({
  seed: fc.nat(),
  blockSize: oftenFirst(512, 1024, 4096, 65536),
  blocks: fc.integer({ min: 1, max: 24 }),
  missing: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999 })),
  source: fc.constantFrom('memory', 'sparse', 'holey', 'slow', 'slow-holey'),
  destination: fc.constantFrom('memory', 'sparse', 'slow', 'slow-without-discard'),
  order: fc.constantFrom('any', 'priority', 'volatility', 'priority-volatility'),
  runBlocks: fc.integer({ min: 1, max: 8 }),
  concurrency: fc.integer({ min: 1, max: 5 }),
  tickMs: fc.constantFrom(0, 0.7, 5),
  writers: fc.integer({ min: 0, max: 3 }),
  writes: fc.integer({ min: 0, max: 12 }),
  faults: oftenFirst('none', 'passing', 'heavy'),
  corrupts: oftenFirst(false, true),
  abortAt: fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 1, max: 80 })),
  fresh: fc.boolean(),
  verify: oftenFirst('read-back', 'root', 'none'),
  putsBack: oftenFirst(false, true),
  eager: fc.boolean(),
  keepsOrder: fc.boolean(),
})

/** Random scenarios: many with tiny disks, some with large blocks. */
export const scenarios: fc.Arbitrary<Scenario> = anyScenario.map((scenario) => ({
  ...scenario,
  blocks: blocksOf(scenario),
}))

function blocksOf({ blocks, blockSize }: { blocks: number; blockSize: number }): number {
  return Math.min(blocks, Math.max(2, DISK_BYTES / blockSize))
}
