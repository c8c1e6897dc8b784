import { afterEach, describe, expect, it } from 'vitest'
import { STAGING_BYTES } from '../../src/kernels/limits.ts'
import { sharedStagingPool } from '../../src/kernels/staging-pool.ts'
import { migrateLive } from '../../src/migration/migrate-live.ts'
import type { BlockFailure, MigrationError } from '../../src/migration/migration-error.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { type Fault, FlakyStorage, onBlocks, onCalls } from '../support/flaky-storage.ts'
import { expectUsable, migrationRig, type Rig, WAYS } from '../support/migration-rig.ts'
import { settled, VirtualClock } from '../support/virtual-clock.ts'

let rig: Rig
afterEach(() => rig.close())

const blocksOf = (failures: readonly BlockFailure[]) =>
  failures
    .flatMap(({ start, count }) => Array.from({ length: count }, (_, index) => start + index))
    .sort((a, b) => a - b)

const FAULTS: readonly (readonly [string, Fault])[] = [
  ['rejects', { how: 'reject' }],
  ['throws', { how: 'throw' }],
  ['reads short', { how: 'short', effect: 0.5 }],
]

describe.each(WAYS)('a source that fails, %s:', (way) => {
  it.each(FAULTS)('a read that %s once is repeated', async (_, fault) => {
    rig = migrationRig({ way })
    rig.source.plan = onCalls('read', { from: 2 }, fault)
    await migrateLive(rig.live())
    expect(rig.source.faults).toBe(1)
    expect(rig.differing()).toEqual([])
    rig.local.unlock()
    await expectUsable(rig)
  })

  it.each(FAULTS)('blocks whose read %s for ever are named; the source goes on', async (_, fault) => {
    rig = migrationRig({ way, content: new Uint8Array(21 * 512).fill(3) })
    rig.source.plan = onBlocks('read', { blocks: [3, 20], blockSize: 512 }, fault)
    const before = rig.sourceBytes()
    const error = (await migrateLive(rig.live()).catch((error) => error)) as MigrationError
    expect([error.code, error.failedBlocks, blocksOf(error.failures)]).toEqual(['MIGRATION_FAILED', 2, [3, 20]])
    expect(rig.differing()).toEqual([3, 20])
    expect(rig.sourceBytes()).toEqual(before)
    await expectUsable(rig)
  })

  it('a read that fails in a dirty round puts no block aside silently', async () => {
    rig = migrationRig({ way })
    const migrator = rig.migrator()
    await migrator.migrate(rig.blocks)
    await migrator.waitForCompletion()
    await rig.local.writeAt(new Uint8Array(5 * 512).fill(77), 100)
    rig.source.plan = onBlocks('read', { blocks: [2, 4], blockSize: 512 })
    await migrator.migrateDirty(rig.remote.sync())
    await expect(migrator.waitForCompletion()).rejects.toMatchObject({ failedBlocks: 2 })
    // Written meanwhile, too: dirty and failed at once.
    await rig.local.writeAt(new Uint8Array(10).fill(78), 2 * 512)
    rig.source.plan = undefined
    await migrator.migrateDirty(rig.remote.sync())
    await migrator.waitForCompletion()
    expect(rig.differing()).toEqual([])
    await expectUsable(rig)
  })

  it('a source that cannot be read while locked fails the migration, and the writer goes on', async () => {
    rig = migrationRig({ way })
    const flush = rig.destination.flush.bind(rig.destination)
    rig.destination.flush = async () => {
      if (rig.local.state === 'open') await rig.local.writeAt(new Uint8Array(10).fill(1), 5 * 512)
      await flush()
    }
    rig.source.plan = ({ operation }) => (operation === 'read' && rig.local.state === 'locked' ? {} : undefined)
    await expect(migrateLive(rig.live({ maxRounds: 2 }))).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
    rig.destination.flush = flush
    await expectUsable(rig)
  })
})

describe('asking for holes', () => {
  it.each(['reject', 'throw'] as const)('once in vain (%s) is repeated; for ever fails the blocks', async (how) => {
    rig = migrationRig({ way: 'holey' })
    rig.source.plan = onCalls('extents', { from: 2 }, { how })
    await migrateLive(rig.live())
    rig.local.unlock()
    rig.source.plan = ({ operation }) => (operation === 'extents' ? { how } : undefined)
    await expect(migrateLive(rig.live())).rejects.toMatchObject({ code: 'MIGRATION_FAILED', failedBlocks: rig.blocks })
    await expectUsable(rig)
  })
})

describe('staging memory', () => {
  it('is not waited for by who holds a part of it: two copies with the largest blocks, both with a fault', async () => {
    rig = migrationRig()
    const blockSize = STAGING_BYTES / 2
    const clock = new VirtualClock({ tickMs: 10 })
    const moves = [1, 2].map(async () => {
      const source = new MemoryStorage(2 * blockSize)
      const destination = new FlakyStorage(new MemoryStorage(2 * blockSize), onCalls('write', {}))
      const { remote } = createDirtyTracker(source, blockSize)
      await migrateLive({ source: remote, destination, clock, verify: 'none' })
      await source.close()
      await destination.close()
    })
    await Promise.all(moves)
  })

  it('is given back whole after failures and aborts of every kind', async () => {
    for (const way of WAYS) {
      rig = migrationRig({ way })
      const controller = new AbortController()
      rig.destination.plan = ({ number }) => {
        if (number === 7) controller.abort()
        return number % 3 === 0 ? { effect: 0.3 } : undefined
      }
      await migrateLive(rig.live({ signal: controller.signal })).catch(() => {})
      await rig.close()
    }
    await settled(true)
    const all = sharedStagingPool().tryAcquire(STAGING_BYTES)
    expect(all).toBeDefined()
    all!.release()
  })
})
