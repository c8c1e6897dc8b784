import { afterEach, describe, expect, it, vi } from 'vitest'
import type { LiveMigrationOptions } from '../../src/migration/migrate-live.ts'
import { migrateLive } from '../../src/migration/migrate-live.ts'
import { MigrationError } from '../../src/migration/migration-error.ts'
import { onBlocks, onCalls } from '../support/flaky-storage.ts'
import { expectUsable, migrationRig, type Rig, WAYS } from '../support/migration-rig.ts'

let rig: Rig
afterEach(() => rig.close())

/** A handler that throws at the nth call. */
function breaking(nth: number) {
  let calls = 0
  return () => {
    if (++calls === nth) throw new Error('handler broke')
  }
}

const BROKEN = {
  code: 'MIGRATION_FAILED',
  message: expect.stringContaining('handler broke'),
  cause: { message: 'handler broke' },
}

describe.each(WAYS)('a handler that throws, %s:', (way) => {
  it.each([1, 3, 6])('a block handler (call %i) ends the migration; the same migrator then goes on', async (nth) => {
    rig = migrationRig({ way })
    const heard = new Set<number>()
    const broken = breaking(nth)
    const blockHandler = (start: number, count: number) => {
      broken()
      for (let block = start; block < start + count; block++) heard.add(block)
    }
    const migrator = rig.migrator({ blockHandler })
    const moveAll = async () => {
      await migrator.migrate(migrator.pendingBlocks)
      await migrator.waitForCompletion()
    }
    await expect(moveAll()).rejects.toMatchObject(BROKEN)
    await expect(migrator.waitForCompletion()).rejects.toMatchObject(BROKEN)
    await moveAll()
    expect(rig.differing()).toEqual([])
    expect(heard.size).toBe(rig.blocks)
    await expectUsable(rig)
  })

  it('a block handler ends it also while a run is taken apart', async () => {
    rig = migrationRig({ way, content: new Uint8Array(8 * 512).fill(1) })
    rig.destination.plan = onBlocks('write', { blocks: [0], blockSize: 512 })
    const errorHandler = vi.fn()
    const migrator = rig.migrator({ errorHandler, blockHandler: breaking(1), concurrency: { any: 1 } })
    await expect(migrator.migrate(8).then(() => migrator.waitForCompletion())).rejects.toMatchObject(BROKEN)
    // What the handler did is no failure of a block.
    for (const [failure] of errorHandler.mock.calls) expect(failure).toMatchObject({ error: { code: 'WRITE_FAILED' } })
    rig.destination.plan = undefined
    await migrator.migrate(migrator.pendingBlocks)
    await migrator.waitForCompletion()
    expect(rig.differing()).toEqual([])
  })

  it('a progress handler ends the migration whenever it throws, and the source goes on', async () => {
    rig = migrationRig({ way })
    let calls = 0
    await migrateLive(rig.live({ progressIntervalMs: 0, progressHandler: () => void calls++ }))
    rig.local.unlock()
    await rig.close()
    expect(calls).toBeGreaterThan(5)
    // The last call is the one after the hand-over; see below.
    for (let nth = 1; nth < calls; nth++) {
      rig = migrationRig({ way })
      const options = rig.live({ progressIntervalMs: 0, progressHandler: breaking(nth) })
      await expect(migrateLive(options)).rejects.toMatchObject(BROKEN)
      await expectUsable(rig)
      await rig.close()
    }
  })

  it('a progress handler cannot undo a hand-over: its error is reported as uncaught, and the source stays locked', async () => {
    rig = migrationRig({ way })
    const handOver = vi.fn()
    const uncaught = catchUncaught()
    const progressHandler = ({ phase }: { phase: string }) => {
      if (phase === 'done') throw new Error('handler broke')
    }
    const result = await migrateLive(rig.live({ handOver, progressHandler }))
    expect(await uncaught).toMatchObject(BROKEN)
    expect(handOver).toHaveBeenCalledOnce()
    expect(result.rounds).toBe(1)
    expect(rig.local.state).toBe('locked')
    rig.local.unlock()
    await expectUsable(rig)
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
  ] as const)('a hand-over that %s gives the disk back to the source', async (_, handOver) => {
    rig = migrationRig({ way })
    await expect(migrateLive(rig.live({ handOver }))).rejects.toThrow('no')
    await expectUsable(rig)
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
  ] as const)('a locker that %s fails the migration, and the unlocker undoes what it did', async (_, lockerHandler) => {
    rig = migrationRig({ way })
    const unlockerHandler = vi.fn()
    await expect(migrateLive(rig.live({ lockerHandler, unlockerHandler }))).rejects.toThrow('no')
    expect(unlockerHandler).toHaveBeenCalledOnce()
    await expectUsable(rig)
  })
})

describe('handlers', () => {
  it('lock and unlock instead of the source’s own, and the source is left alone', async () => {
    rig = migrationRig()
    const calls: string[] = []
    const options: Partial<LiveMigrationOptions> = {
      lockerHandler: async () => void calls.push(`lock, gate ${rig.local.state}`),
      unlockerHandler: () => void calls.push('unlock'),
      handOver: () => void calls.push('hand over'),
    }
    await migrateLive(rig.live(options))
    expect(calls).toEqual(['lock, gate open', 'hand over'])
    calls.length = 0
    rig.destination.plan = onCalls('flush', { from: rig.destination.calls.flush + 2 })
    await expect(migrateLive(rig.live(options))).rejects.toMatchObject({ code: 'FLUSH_FAILED' })
    expect(calls).toEqual(['lock, gate open', 'unlock'])
  })

  it('find source and destination equal, and the writer stopped, when the disk is handed over', async () => {
    for (const way of WAYS) {
      rig = migrationRig({ way })
      let running = true
      const writer = (async () => {
        while (running) {
          await rig.clock.sleep(1)
          await rig.local.writeAt(new Uint8Array(700).fill(rig.random() * 256), Math.floor(rig.random() * 9000))
        }
      })()
      const handOver = vi.fn(async () => {
        expect(rig.local.state).toBe('locked')
        const before = rig.sourceBytes()
        await rig.clock.sleep(50)
        expect(Buffer.compare(before, rig.sourceBytes())).toBe(0)
        expect(rig.differing()).toEqual([])
      })
      await migrateLive(rig.live({ handOver, maxRounds: 3 }))
      expect(handOver).toHaveBeenCalledOnce()
      running = false
      rig.local.unlock()
      await writer
      await rig.close()
    }
  })

  it.each([1, 2, 3])(
    'before a round may refuse it (round %i): no dirty block is lost, the source goes on',
    async (nth) => {
      for (const way of WAYS) {
        rig = migrationRig({ way })
        const { order } = rig
        const flush = rig.destination.flush.bind(rig.destination)
        rig.destination.flush = async () => {
          if (rig.local.state === 'open')
            await rig.local.writeAt(new Uint8Array(600).fill(rig.destination.calls.flush + 1), 9)
          await flush()
        }
        const sizes: number[] = []
        const beforeRound = async (dirty: { count(): number }) => {
          sizes.push(dirty.count())
          if (sizes.length === nth) throw new Error('not now')
        }
        await expect(migrateLive(rig.live({ order, beforeRound, maxRounds: 2, targetPauseMs: 0 }))).rejects.toThrow(
          'not now',
        )
        expect(sizes.slice(0, 2).every((size) => size === 2)).toBe(true)
        expect(rig.local.state).toBe('open')
        rig.destination.flush = flush
        await migrateLive(rig.live({ order }))
        expect(rig.differing()).toEqual([])
        await rig.close()
      }
    },
  )

  it('hear both what failed and what the error handler threw about it', async () => {
    rig = migrationRig()
    rig.destination.plan = onBlocks('write', { blocks: [0], blockSize: 512 })
    const error = await migrateLive(rig.live({ errorHandler: breaking(1) })).catch((error) => error)
    expect(error).not.toBeInstanceOf(MigrationError)
    expect(error.message).toContain('handler broke')
    expect(error.message).toContain('The storage could not write')
    await expectUsable(rig)
  })
})

/** Resolves with the next uncaught exception, instead of vitest failing for it. */
function catchUncaught(): Promise<unknown> {
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  return new Promise((resolve) => {
    process.once('uncaughtException', (error) => {
      for (const listener of listeners) process.on('uncaughtException', listener)
      resolve(error)
    })
  })
}
