import { describe, it } from 'vitest'
import { Migrator } from '../../src/migration/migrator.ts'
import { type Attempt, KINDS, RandomRuns } from './random-runs.ts'

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

describe('random migrations by hand end equal:', () => {
  const runs = new RandomRuns(byHand)
  // Without reading back, nobody can notice a destination that lies.
  it.each(KINDS)('%s, %i cases', (_, cases, fixed) => runs.check(cases, { ...fixed, corrupts: false }), 120_000)

  it(
    'rounds that do not wait for each other, over holes, 1000 cases',
    () =>
      runs.check(1000, {
        ...{ eager: true, source: 'slow-holey', blockSize: 512, runBlocks: 1, concurrency: 2, writers: 3, writes: 12 },
        ...{ faults: 'none', corrupts: false, abortAt: 0 },
      }),
    120_000,
  )

  it('and ended before that in every way', () => {
    runs.expectSeen('success', 'ABORTED', 'MIGRATION_FAILED', 'QUOTA_EXCEEDED')
  })
})
