import { afterEach, describe, expect, it } from 'vitest'
import { StorageError } from '../../src/errors/storage-error.ts'
import { ATTEMPTS } from '../../src/migration/limits.ts'
import { migrateLive } from '../../src/migration/migrate-live.ts'
import { type BlockFailure, MigrationError } from '../../src/migration/migration-error.ts'
import type { Migrator } from '../../src/migration/migrator.ts'
import { type Fault, type Operation, onBlocks, onCalls } from '../support/flaky-storage.ts'
import { expectUsable, migrationRig, type Rig, type RigOptions, WAYS } from '../support/migration-rig.ts'

let rig: Rig
afterEach(() => rig.close())

/** A disk without zeroes, so that every block is a write. */
function full(options: RigOptions): Rig {
  const { blockSize = 512, size = 20 * blockSize + 100 } = options
  return migrationRig({ ...options, content: new Uint8Array(size).map((_, index) => 1 + (index % 251)) })
}

async function moveAll(migrator: Migrator): Promise<void> {
  await migrator.migrate(migrator.pendingBlocks)
  await migrator.waitForCompletion()
}

async function failureOf(work: Promise<unknown>): Promise<MigrationError> {
  const error = await work.then(
    () => undefined,
    (error) => error,
  )
  expect(error).toBeInstanceOf(MigrationError)
  return error as MigrationError
}

const blocksOf = (failures: readonly BlockFailure[]) =>
  failures
    .flatMap(({ start, count }) => Array.from({ length: count }, (_, index) => start + index))
    .sort((a, b) => a - b)

const FAULTS: readonly (readonly [string, Fault])[] = [
  ['rejects', { how: 'reject' }],
  ['rejects after half of the bytes', { how: 'reject', effect: 0.5 }],
  ['rejects after all of the bytes', { how: 'reject', effect: 1 }],
  ['throws', { how: 'throw' }],
  ['writes short', { how: 'short', effect: 0.5 }],
  ['writes nothing and says so', { how: 'short' }],
]

describe.each(WAYS)('a destination that fails, %s:', (way) => {
  it.each(FAULTS)('a write that %s once is repeated and the migration succeeds', async (_, fault) => {
    for (const from of [1, 2, 5]) {
      rig = full({ way })
      rig.destination.plan = onCalls('write', { from }, fault)
      await moveAll(rig.migrator())
      expect(rig.destination.faults).toBe(1)
      expect(rig.differing()).toEqual([])
      await expectUsable(rig)
      await rig.close()
    }
  })

  it.each(FAULTS)('blocks whose write %s for ever are named exactly, all others are moved', async (_, fault) => {
    const bad = [0, 6, 7, 19]
    rig = full({ way })
    rig.destination.plan = onBlocks('write', { blocks: bad, blockSize: 512 }, fault)
    const migrator = rig.migrator()
    const error = await failureOf(moveAll(migrator))
    expect(error.failedBlocks).toBe(4)
    expect(blocksOf(error.failures)).toEqual(bad)
    expect(error).toMatchObject({ code: 'MIGRATION_FAILED', cause: error.failures[0]!.error })
    expect(rig.differing().filter((block) => !bad.includes(block))).toEqual([])
    expect(migrator.pendingBlocks).toBe(4)
    // Asked again it says the same.
    await failureOf(migrator.waitForCompletion())
    rig.destination.plan = undefined
    await moveAll(migrator)
    expect(rig.differing()).toEqual([])
    await expectUsable(rig)
  })

  it.each(FAULTS)('a discard that %s once is repeated; for ever, its blocks are named', async (_, fault) => {
    if (way === 'synchronous') return
    rig = migrationRig({ way, content: new Uint8Array(12 * 512) })
    await rig.destination.writeAt(new Uint8Array(12 * 512).fill(9), 0)
    rig.destination.plan = onCalls('zero', { from: 2 }, fault)
    await moveAll(rig.migrator())
    expect(rig.differing()).toEqual([])
    await rig.destination.writeAt(new Uint8Array(12 * 512).fill(9), 0)
    rig.order.addAll()
    rig.destination.plan = onBlocks('zero', { blocks: [3], blockSize: 512 }, fault)
    expect(blocksOf((await failureOf(moveAll(rig.migrator()))).failures)).toEqual([3])
    await expectUsable(rig)
  })

  it('the short last block that fails for ever is named, and no other', async () => {
    rig = full({ way })
    rig.destination.plan = onBlocks('write', { blocks: [20], blockSize: 512 })
    expect(blocksOf((await failureOf(moveAll(rig.migrator()))).failures)).toEqual([20])
    expect(rig.differing()).toEqual([20])
    await expectUsable(rig)
  })

  it('a destination that takes nothing fails with every block', async () => {
    rig = full({ way })
    rig.destination.plan = ({ operation }) => (operation === 'write' ? {} : undefined)
    const error = await failureOf(migrateLive(rig.live()))
    expect(error.failedBlocks).toBe(21)
    expect(blocksOf(error.failures)).toEqual([...Array(21).keys()])
    await expectUsable(rig)
  })

  it('keeps the first hundred failures and counts the rest', async () => {
    rig = full({ way, size: 300 * 512 })
    rig.destination.plan = ({ operation, offset }) => (operation === 'write' && offset % 1024 === 512 ? {} : undefined)
    const error = await failureOf(moveAll(rig.migrator({ runBytes: 512 })))
    expect([error.failedBlocks, error.failures.length]).toEqual([150, 100])
  })

  it('gives up retrying when the budget is used up, and still tries every block', async () => {
    rig = full({ way, size: 3000 * 512 })
    rig.destination.plan = ({ operation }) => (operation === 'write' ? {} : undefined)
    const error = await failureOf(moveAll(rig.migrator({ runBytes: 512 })))
    expect(error.failedBlocks).toBe(3000)
    // One attempt for each block, and the 256 retries that all of them share; the synchronous way tries once before.
    expect(rig.destination.calls.write).toBe(3000 * (way === 'synchronous' ? 2 : 1) + 256)
  })

  it('takes a run apart when it will not go, and moves the good blocks of it', async () => {
    rig = full({ way, size: 16 * 512 })
    rig.destination.plan = onBlocks('write', { blocks: [5], blockSize: 512 })
    const sizes: number[] = []
    const migrator = rig.migrator({ runBytes: 8 * 512, blockHandler: (_start, count) => sizes.push(count) })
    expect(blocksOf((await failureOf(moveAll(migrator))).failures)).toEqual([5])
    expect(sizes.sort((a, b) => b - a)).toEqual([8, ...Array(7).fill(1)])
  })

  it(`needs no more than ${ATTEMPTS} attempts for a fault that passes`, async () => {
    rig = full({ way, size: 4 * 512 })
    rig.destination.plan = onCalls('write', { times: ATTEMPTS - 1 })
    await moveAll(rig.migrator())
    expect(rig.destination.calls.write).toBe(ATTEMPTS)
    expect(rig.differing()).toEqual([])
  })

  it.each(['QUOTA_EXCEEDED', 'CLOSED', 'LOCKED', 'CONNECTION_LOST'] as const)(
    'ends at once with %s, in the middle, and tries nothing more',
    async (code) => {
      rig = full({ way, size: 200 * 512 })
      const error = new StorageError(code)
      rig.destination.plan = ({ operation, number }) => (operation === 'write' && number > 3 ? { error } : undefined)
      const { handler, failures } = listener()
      await expect(migrateLive(rig.live({ errorHandler: handler }))).rejects.toBe(error)
      // Those under way at the time may have met it too.
      expect(rig.destination.calls.write).toBeLessThan(3 + 12)
      expect(failures.length).toBeGreaterThan(0)
      rig.destination.plan = undefined
      await expectUsable(rig)
    },
  )

  it('ends a migration by hand at once with QUOTA_EXCEEDED, and goes on where it was when there is room', async () => {
    rig = full({ way, size: 100 * 512 })
    rig.destination.plan = onCalls('write', { from: 3, times: Infinity }, { error: new StorageError('QUOTA_EXCEEDED') })
    const migrator = rig.migrator()
    await expect(moveAll(migrator)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
    await expect(migrator.waitForCompletion()).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
    expect(migrator.pendingBlocks).toBe(rig.differing().length)
    rig.destination.plan = undefined
    await moveAll(migrator)
    expect(rig.differing()).toEqual([])
    expect(migrator.blocksMoved).toBe(100)
  })

  it.each(['QUOTA_EXCEEDED', 'WRITE_FAILED'] as const)(
    'loses no block for another migration with the same order after %s',
    async (code) => {
      rig = full({ way, size: 100 * 512 })
      let left = Infinity
      rig.destination.plan = ({ operation, offset }) =>
        operation === 'write' && offset >= 20 * 512 && left-- > 0 ? { error: new StorageError(code) } : undefined
      const { order } = rig
      const stopped = new AbortController()
      const errorHandler = () => {
        // Failed blocks, blocks under way and blocks that wait: the migration ends with all three.
        if (code === 'WRITE_FAILED') stopped.abort()
      }
      const options = { order, errorHandler, signal: stopped.signal }
      await expect(migrateLive(rig.live(options))).rejects.toMatchObject({
        code: code === 'WRITE_FAILED' ? 'ABORTED' : code,
      })
      left = 0
      expect(order.available).toBeGreaterThan(0)
      await migrateLive(rig.live({ order }))
      expect(rig.differing()).toEqual([])
    },
  )

  it('fails with FLUSH_FAILED when what was written cannot be made durable', async () => {
    for (const from of [1, 2]) {
      rig = full({ way })
      rig.destination.plan = onCalls('flush', { from })
      await expect(migrateLive(rig.live())).rejects.toMatchObject({ code: 'FLUSH_FAILED' })
      expect(rig.local.state).toBe('open')
      await expectUsable(rig)
      await rig.close()
    }
  })

  it.each<[Operation, string]>([
    ['write', 'dirty'],
    ['zero', 'dirty'],
    ['write', 'locked'],
    ['zero', 'locked'],
  ])('a %s that fails in the %s phase fails the migration and lets the writer go on', async (operation, phase) => {
    rig = full({ way })
    const change = operation === 'zero' ? new Uint8Array(512) : new Uint8Array(512).fill(99)
    const flush = rig.destination.flush.bind(rig.destination)
    // Between any two rounds something is written.
    rig.destination.flush = async () => {
      if (rig.local.state === 'open') await rig.local.writeAt(change, 3 * 512)
      await flush()
    }
    const progressHandler = (progress: { phase: string }) => {
      if (progress.phase === phase)
        rig.destination.plan = ({ operation: asked }) => (asked === operation ? {} : undefined)
    }
    const options = rig.live({ progressHandler, progressIntervalMs: 0, targetPauseMs: 0, maxRounds: 2 })
    const error = await migrateLive(options).catch((error) => error)
    rig.destination.flush = flush
    // Only where discards are used can they fail.
    if (way === 'synchronous' && operation === 'zero') expect(error).not.toBeInstanceOf(Error)
    else {
      expect(error).toBeInstanceOf(MigrationError)
      expect(blocksOf(error.failures)).toEqual([3])
      expect(rig.local.state).toBe('open')
      await expectUsable(rig)
    }
  })
})

describe.each(WAYS)('the error handler, %s:', (way) => {
  it('hears of exactly the blocks that fail for good, with the last error', async () => {
    rig = full({ way })
    rig.destination.plan = onBlocks('write', { blocks: [4, 9], blockSize: 512 })
    const { handler, failures } = listener()
    await failureOf(moveAll(rig.migrator({ errorHandler: handler })))
    expect(blocksOf(failures)).toEqual([4, 9])
    expect(failures[0]!.error).toMatchObject({ code: 'WRITE_FAILED' })
  })

  it('makes the migration succeed by putting blocks back, if they go then', async () => {
    rig = full({ way })
    rig.destination.plan = onBlocks('write', { blocks: [4, 9, 20], blockSize: 512, times: 30 })
    const errorHandler = ({ start, count }: BlockFailure) => {
      for (let block = start; block < start + count; block++) rig.order.add(block)
    }
    await moveAll(rig.migrator({ errorHandler }))
    expect(rig.differing()).toEqual([])
    await expectUsable(rig)
  })

  it('cannot make a broken destination be tried for ever', async () => {
    rig = full({ way })
    rig.destination.plan = onBlocks('write', { blocks: [4], blockSize: 512 })
    const errorHandler = ({ start }: BlockFailure) => rig.order.add(start)
    const error = await failureOf(moveAll(rig.migrator({ errorHandler })))
    expect(blocksOf(error.failures)).toEqual([4])
    expect(rig.order.available).toBe(1)
    await expectUsable(rig)
  })

  it.each([1, 2])('ends the migration when it throws (failure %i), and no block is lost', async (nth) => {
    rig = full({ way })
    rig.destination.plan = onBlocks('write', { blocks: [4, 5, 9], blockSize: 512 })
    let heard = 0
    const errorHandler = () => {
      if (++heard >= nth) throw new Error('handler broke')
    }
    const migrator = rig.migrator({ errorHandler })
    await expect(moveAll(migrator)).rejects.toMatchObject({ message: expect.stringContaining('handler broke') })
    rig.destination.plan = undefined
    await moveAll(migrator)
    expect(rig.differing()).toEqual([])
    await expectUsable(rig)
  })

  it('names no block that arrived after all', async () => {
    rig = full({ way, size: 8 * 512 })
    rig.destination.plan = onBlocks('write', { blocks: [2, 6], blockSize: 512 })
    const migrator = rig.migrator()
    expect(blocksOf((await failureOf(moveAll(migrator))).failures)).toEqual([2, 6])
    // Block 2 is written and goes this time; block 6 is still refused.
    rig.destination.plan = onBlocks('write', { blocks: [6], blockSize: 512 })
    await rig.local.writeAt(new Uint8Array(10), 2 * 512)
    await migrator.migrateDirty(rig.remote.sync())
    const error = await failureOf(migrator.waitForCompletion())
    expect([error.failedBlocks, blocksOf(error.failures)]).toEqual([1, [6]])
  })
})

function listener() {
  const failures: BlockFailure[] = []
  return { failures, handler: (failure: BlockFailure) => void failures.push(failure) }
}
