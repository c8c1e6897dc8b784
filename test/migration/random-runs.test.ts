import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { type ErrorCode, errorCode } from '../../src/errors/storage-error.ts'
import { migrateLive } from '../../src/migration/migrate-live.ts'
import { Migrator } from '../../src/migration/migrator.ts'
import { type BlockHasher, createBlockHasher } from '../../src/storage/block-hasher.ts'
import { digestText, HashTree } from '../../src/storage/hash-tree.ts'
import { propertyOptions } from '../support/seed.ts'
import { settled } from '../support/virtual-clock.ts'
import { type Scenario, scenarios } from './scenario.ts'
import { ScenarioWorld } from './scenario-world.ts'

let hasher: BlockHasher
beforeAll(async () => {
  hasher = await createBlockHasher()
})

/** How a migration that meets faults may end. */
const EXPECTED: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>([
  'ABORTED',
  'FLUSH_FAILED',
  'MIGRATION_FAILED',
  'QUOTA_EXCEEDED',
  'READ_FAILED',
  'SHORT_READ',
  'VERIFY_FAILED',
])

/** Outcomes seen by all cases of this file, to see that they are worth running. */
const seen = new Map<string, number>()
const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)

type Attempt = (world: ScenarioWorld, attempt: number) => Promise<void>

/** Runs a scenario: an attempt under faults; if that fails, the source is unharmed and an attempt without faults succeeds. */
async function play(scenario: Scenario, attempt: Attempt): Promise<void> {
  const world = new ScenarioWorld(scenario)
  try {
    world.start()
    const error = await attempt(world, 1).then(
      () => undefined,
      (error) => error,
    )
    count(error === undefined ? 'success' : (errorCode(error) ?? String(error)))
    if (error !== undefined) {
      if (!EXPECTED.has(errorCode(error))) throw error
      if (scenario.faults === 'none' && !scenario.corrupts && errorCode(error) !== 'ABORTED') throw error
      await world.expectUnharmed()
      world.heal()
      if (!scenario.keepsOrder) world.order = world.newOrder()
      await attempt(world, 2)
    }
    await world.expectEqual()
    await world.finish()
  } finally {
    await world.close()
  }
}

/** The whole of migrateLive. */
const live: Attempt = async (world, attempt) => {
  const { blockSize, verify, corrupts } = world.scenario
  const { signal, ...config } = world.config()
  // A destination that stores something else is only noticed by who reads back; the second one is not empty any more.
  const result = await migrateLive({
    ...config,
    source: world.remote,
    destination: world.destination,
    order: world.order,
    verify: corrupts ? 'read-back' : verify,
    maxRounds: 4,
    maxPauseMs: Number.POSITIVE_INFINITY,
    ...(attempt === 1 ? { signal: signal! } : { freshDestination: false }),
  })
  if (!result.root) return
  const tree = new HashTree(world.size, blockSize, hasher)
  tree.update(0, world.destinationBytes())
  expect(digestText(result.root)).toBe(digestText(tree.root()))
}

/** The loop a caller writes: a pass, dirty rounds until nothing is left, and the source stays locked. */
function byHand(): Attempt {
  let migrator: Migrator | undefined
  return async (world, attempt) => {
    const { eager, keepsOrder } = world.scenario
    const { signal, ...config } = world.config()
    // The migrator that failed may go on; one that was aborted may not.
    if (!migrator || !keepsOrder || signal!.aborted) {
      const options = attempt === 1 ? { ...config, signal: signal! } : { ...config, freshDestination: false }
      migrator = new Migrator(world.remote, world.destination, world.order, options)
    }
    try {
      const giveBack = migrator.hold()
      try {
        while (migrator.pendingBlocks > 0) {
          await migrator.migrate(1 + Math.floor(migrator.pendingBlocks / 2))
          if (!eager) await migrator.waitForCompletion()
        }
        for (let dirty = await migrator.getLatestDirty(); dirty; dirty = await migrator.getLatestDirty()) {
          await migrator.migrateDirty(dirty)
          if (!eager) await migrator.waitForCompletion()
        }
        await migrator.waitForCompletion()
      } finally {
        giveBack()
      }
    } catch (error) {
      migrator.unlock()
      // What is under way ends before anybody else may have the source.
      await migrator.waitForCompletion().catch(() => {})
      throw error
    }
  }
}

/** A case that waits for ever is a failure like another; real time, since virtual time stands still then. */
const CASE_TIMEOUT_MS = 10_000

async function check(runs: number, attempt: () => Attempt, fixed: Partial<Scenario>): Promise<void> {
  let cases = 0
  const property = fc.asyncProperty(scenarios, async (scenario) => {
    // Lets the collector's callbacks run, which give back memory of forgotten fields.
    if (++cases % 64 === 0) await settled(true)
    await play({ ...scenario, ...fixed }, attempt())
  })
  await fc.assert(property, { ...propertyOptions(runs), timeout: CASE_TIMEOUT_MS })
}

const KINDS: readonly (readonly [string, number, Partial<Scenario>])[] = [
  ['any two storages, no faults', 3000, { faults: 'none', corrupts: false, abortAt: 0 }],
  ['any two storages', 4000, {}],
  [
    'memory to memory, the synchronous way',
    3000,
    { source: 'memory', destination: 'memory', blockSize: 512, tickMs: 5 },
  ],
  ['slow to slow, small blocks', 3000, { source: 'slow', destination: 'slow', blockSize: 512, writers: 3 }],
  ['many holes', 2000, { source: 'slow-holey', destination: 'slow', blockSize: 512 }],
]

describe('random migrations end equal', () => {
  describe.each(KINDS)('%s:', (_, runs, fixed) => {
    it('migrateLive', () => check(runs, () => live, fixed), 120_000)
    // Without reading back, nobody can notice a destination that lies.
    it('by hand', () => check(runs, byHand, { ...fixed, corrupts: false }), 120_000)
  })

  it('and the cases were worth it: every kind of outcome was seen', () => {
    console.log(seen)
    for (const outcome of ['success', 'ABORTED', 'MIGRATION_FAILED', 'QUOTA_EXCEEDED', 'VERIFY_FAILED']) {
      expect(seen.get(outcome) ?? 0, outcome).toBeGreaterThan(0)
    }
  })
})
