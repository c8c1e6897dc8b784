import { beforeAll, describe, expect, it } from 'vitest'
import { migrateLive } from '../../src/migration/migrate-live.ts'
import { type BlockHasher, createBlockHasher } from '../../src/storage/block-hasher.ts'
import { digestText, HashTree } from '../../src/storage/hash-tree.ts'
import { type Attempt, KINDS, RandomRuns } from './random-runs.ts'

let hasher: BlockHasher
beforeAll(async () => {
  hasher = await createBlockHasher()
})

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

describe('random live migrations end equal:', () => {
  const runs = new RandomRuns(() => live)
  it.each(KINDS)('%s, %i cases', (_, cases, fixed) => runs.check(cases, fixed), 120_000)

  it('and ended before that in every way', () => {
    runs.expectSeen('success', 'ABORTED', 'MIGRATION_FAILED', 'QUOTA_EXCEEDED', 'VERIFY_FAILED', 'FLUSH_FAILED')
  })
})
