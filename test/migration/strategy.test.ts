import { afterEach, describe, expect, it, vi } from 'vitest'
import { errorCode, StorageError } from '../../src/errors/storage-error.ts'
import type { LiveMigrationOptions } from '../../src/migration/live-options.ts'
import { migrateLive } from '../../src/migration/migrate-live.ts'
import { moveRest, RestError } from '../../src/migration/move-rest.ts'
import type { MigrationPhase } from '../../src/migration/progress.ts'
import { PriorityBlockOrder } from '../../src/orders/priority-block-order.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { BlockDigests } from '../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import { digestText } from '../../src/storage/hash-tree.ts'
import { rootHash } from '../../src/storage/root-hash.ts'
import { onCalls } from '../support/flaky-storage.ts'
import { migrationRig, type Rig, WAYS } from '../support/migration-rig.ts'

let rig: Rig
afterEach(() => rig.close())

async function rootOf(bytes: Uint8Array, blockSize: number): Promise<string> {
  const copy = new MemoryStorage(bytes.length)
  await copy.writeAt(bytes, 0)
  const root = digestText(await rootHash(copy, { blockSize }))
  await copy.close()
  return root
}

/** Eight slices of a pass and some more, of 64 KiB blocks. */
const MANY = 1100 * 65536

/** Writes `perMs` scattered blocks in a millisecond until the gate closes. */
function busyWriter({ local, clock, random, remote }: Rig, perMs: number): { stop(): Promise<void> } {
  let running = true
  const run = async () => {
    for (let turn = 1; running; turn++) {
      for (let write = 0; write < perMs && running; write++) {
        await local.writeAt(Uint8Array.of(turn), Math.floor(random() * remote.size))
      }
      await clock.sleep(1)
    }
  }
  const ended = run()
  return {
    stop: () => {
      running = false
      local.unlock()
      return ended
    },
  }
}

describe.each(WAYS)('post-copy, %s:', (way) => {
  it('hands over at once, then moves everything, and gives the root', async () => {
    rig = migrationRig({ way })
    const handOver = vi.fn(({ missingBlocks }: { missingBlocks: number }) => {
      expect([rig.destination.calls.write, rig.local.state, missingBlocks]).toEqual([0, 'locked', rig.blocks])
    })
    const phases = new Set<MigrationPhase>()
    const result = await migrateLive(
      rig.live({
        strategy: 'post-copy',
        handOver,
        progressHandler: ({ phase }) => void phases.add(phase),
        progressIntervalMs: 0,
      }),
    )
    expect(handOver).toHaveBeenCalledWith({ root: undefined, missingBlocks: rig.blocks })
    expect(rig.differing()).toEqual([])
    expect(rig.local.state).toBe('locked')
    expect(digestText(result.root!)).toBe(await rootOf(rig.sourceBytes(), rig.blockSize))
    expect([result.missingBlocks, result.blocksMoved]).toEqual([rig.blocks, rig.blocks])
    expect([...phases]).toEqual(['locked', 'rest', 'done'])
  })

  it('flushes after the rest', async () => {
    rig = migrationRig({ way })
    const events: string[] = []
    rig.destination.plan = ({ operation }) => {
      if (operation !== 'extents' && events.at(-1) !== operation) events.push(operation)
      return undefined
    }
    await migrateLive(rig.live({ strategy: 'post-copy', handOver: () => void events.push('hand over') }))
    expect(events[0]).toBe('hand over')
    expect(events.at(-1)).toBe('flush')
    expect(events).not.toContain('read')
  })

  it('leaves the source running when the hand-over fails', async () => {
    rig = migrationRig({ way })
    const handOver = () => {
      throw new StorageError('PEER_LOST')
    }
    const options = rig.live({ strategy: 'post-copy', handOver, order: rig.order })
    await expect(migrateLive(options)).rejects.toMatchObject({ code: 'PEER_LOST' })
    expect([rig.local.state, rig.order.available]).toEqual(['open', rig.blocks])
  })

  it('keeps the source locked when the rest fails, and goes on where it stopped', async () => {
    rig = migrationRig({ way, content: new Uint8Array(40 * 512).fill(3) })
    const digests = new BlockDigests(rig.remote.size, rig.blockSize, await createBlockHasher())
    rig.destination.plan = onCalls(
      'write',
      { from: 4, times: Infinity },
      { error: new StorageError('CONNECTION_LOST') },
    )
    const parts = { source: rig.remote, destination: rig.destination, order: rig.order, digests }
    const error = await migrateLive(
      rig.live({ ...parts, strategy: 'post-copy', handOver: () => ({ released: true }) }),
    ).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(RestError)
    expect(error).toMatchObject({ code: 'CONNECTION_LOST', context: { released: true } })
    expect(rig.local.state).toBe('locked')
    expect((error as RestError).missingBlocks).toBe(rig.order.available)
    expect(rig.order.available).toBeGreaterThan(0)
    rig.destination.plan = undefined
    const moved = rig.destination.calls.write
    const root = await moveRest({ ...parts, clock: rig.clock, runBytes: 4 * 512 })
    expect(rig.destination.calls.write - moved).toBeLessThanOrEqual(
      Math.ceil((error as RestError).missingBlocks / 4) + 1,
    )
    expect(rig.differing()).toEqual([])
    expect(digestText(root!)).toBe(await rootOf(rig.sourceBytes(), rig.blockSize))
    digests.free()
  })
})

describe('auto', () => {
  const auto = (options: Partial<LiveMigrationOptions> = {}) =>
    rig.live({ strategy: 'auto', handOver: () => {}, verify: 'root', maxPauseMs: 500, ...options })

  it('moves everything ahead for a calm writer', async () => {
    rig = migrationRig({ way: 'asynchronous' })
    const { missingBlocks, root } = await migrateLive(auto())
    expect([missingBlocks, rig.differing()]).toEqual([0, []])
    expect(digestText(root!)).toBe(await rootOf(rig.sourceBytes(), rig.blockSize))
  })

  it.each([1, 4, 40])('bounds what is sent twice and the pause, at %i writes a millisecond', async (perMs) => {
    rig = migrationRig({ way: 'asynchronous', blockSize: 65536, size: MANY, tickMs: 0.001 })
    const writing = busyWriter(rig, perMs)
    const missing: number[] = []
    const result = await migrateLive(
      auto({ runBytes: 65536, handOver: ({ missingBlocks }) => void missing.push(missingBlocks) }),
    )
    expect(rig.differing()).toEqual([])
    expect(missing).toEqual([result.missingBlocks])
    expect(result.missingBlocks).toBeGreaterThan(0)
    // What was under way when it was decided is not in the bound: four runs, and what becomes dirty until they have landed.
    expect(result.blocksMoved).toBeLessThan(rig.blocks * 1.04 + 4 * 50 * perMs)
    expect(result.pauseMs).toBeLessThan(20)
    await writing.stop()
  })

  it('tells the destination of every void copy before the hand-over', async () => {
    rig = migrationRig({ way: 'asynchronous', blockSize: 65536, size: MANY, tickMs: 0.001 })
    const writing = busyWriter(rig, 20)
    const told = new Set<number>()
    let voided = 0
    await migrateLive(
      auto({
        runBytes: 65536,
        beforeRound: async (dirty) =>
          dirty.forEachRun((start, count) => {
            for (let block = start; block < start + count; block++) told.add(block)
          }),
        handOver: () => {
          // What the destination has of a block that is not known to be void must be right.
          const [ours, theirs] = [rig.sourceBytes(), rig.destinationBytes()]
          for (let block = 0; block < rig.blocks; block++) {
            const at = block * 65536
            const isThere = theirs.subarray(at, at + 65536).some((byte) => byte !== 0)
            if (!isThere || Buffer.compare(ours.subarray(at, at + 65536), theirs.subarray(at, at + 65536)) === 0)
              continue
            voided++
            expect(told.has(block)).toBe(true)
          }
        },
      }),
    )
    expect(voided).toBeGreaterThan(0)
    await writing.stop()
  })

  it('sends what is asked for first once it is handed over', async () => {
    rig = migrationRig({ way: 'asynchronous' })
    const order = new PriorityBlockOrder(rig.order)
    const first: number[] = []
    rig.destination.plan = ({ operation, offset }) => {
      if (operation === 'write' && first.length < 2) first.push(offset / rig.blockSize)
      return undefined
    }
    const handOver = () => void (order.prioritise(17) && order.prioritise(5))
    await migrateLive(auto({ strategy: 'post-copy', order, handOver, runBytes: 512, concurrency: { any: 1 } }))
    expect(first).toEqual([17, 5])
  })

  it('asks for a hand-over that knows of missing blocks', async () => {
    rig = migrationRig()
    for (const strategy of ['auto', 'post-copy'] as const) {
      await expect(migrateLive(rig.live({ strategy }))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    expect(rig.local.state).toBe('open')
  })

  it('cannot be aborted back once it is handed over', async () => {
    rig = migrationRig({ way: 'asynchronous' })
    const controller = new AbortController()
    const handOver = () => queueMicrotask(() => controller.abort())
    const options = auto({ strategy: 'post-copy', order: rig.order, handOver, signal: controller.signal })
    const error = await migrateLive(options).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(RestError)
    expect([errorCode(error), rig.local.state]).toEqual(['ABORTED', 'locked'])
    expect(rig.order.available).toBe((error as RestError).missingBlocks)
  })
})

describe('digests known before', () => {
  it.each(WAYS)('give the root though the order leaves blocks out, %s', async (way) => {
    rig = migrationRig({ way, content: new Uint8Array(20 * 512).fill(4) })
    await rig.destination.writeAt(new Uint8Array(20 * 512).fill(4), 0)
    const digests = new BlockDigests(rig.remote.size, rig.blockSize, await createBlockHasher())
    for (const block of [3, 7, 11]) {
      digests.note(block, new Uint8Array(512).fill(4))
      rig.order.remove(block)
    }
    const write = rig.destination.flush.bind(rig.destination)
    let flushes = 0
    rig.destination.flush = async () => {
      if (flushes++ === 0) await rig.local.writeAt(new Uint8Array(10).fill(5), 7 * 512)
      await write()
    }
    const roots: (Uint8Array | undefined)[] = []
    const { root, blocksMoved } = await migrateLive(
      rig.live({ order: rig.order, digests, verify: 'root', handOver: ({ root }) => void roots.push(root) }),
    )
    expect(rig.differing()).toEqual([])
    expect(blocksMoved).toBe(18)
    expect(roots).toEqual([root])
    expect(digestText(root!)).toBe(await rootOf(rig.sourceBytes(), rig.blockSize))
    expect(digests.isKnown(7)).toBe(true)
    digests.free()
  })
})

describe('limits in time', () => {
  it('a deadline that cannot be kept is refused early, with the estimate', async () => {
    rig = migrationRig({ way: 'asynchronous', blockSize: 65536, size: MANY, tickMs: 0.001 })
    const options = rig.live({ deadlineMs: 400, runBytes: 65536, verify: 'none' })
    const error = await migrateLive(options).catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', context: { deadlineMs: 400 } })
    const { estimatedMs, bytesPerSecond, dirtyBytesPerSecond } = (error as StorageError).context
    expect(estimatedMs).toBeGreaterThan(400)
    expect(bytesPerSecond).toBeGreaterThan(0)
    expect(dirtyBytesPerSecond).toBe(0)
    expect([rig.local.state, rig.destination.calls.write < rig.blocks]).toEqual(['open', true])
  })

  it('a deadline that leaves time is kept', async () => {
    rig = migrationRig({ way: 'asynchronous', blockSize: 65536, size: MANY, tickMs: 0.001 })
    const { durationMs } = await migrateLive(rig.live({ deadlineMs: 5000, runBytes: 65536, verify: 'none' }))
    expect(durationMs).toBeGreaterThan(400)
    expect(durationMs).toBeLessThan(5000)
  })

  it('a flush that takes longer than the pause allowed is refused before the writer is stopped', async () => {
    rig = migrationRig()
    rig.destination.flush = () => rig.clock.sleep(100)
    const lock = vi.spyOn(rig.remote, 'lock')
    const options = rig.live({ strategy: 'auto', handOver: () => {}, verify: 'root', maxPauseMs: 50 })
    await expect(migrateLive(options)).rejects.toMatchObject({ code: 'DID_NOT_CONVERGE', context: { maxPauseMs: 50 } })
    expect(lock).not.toHaveBeenCalled()
  })

  it('refuses a deadline that is no time', async () => {
    rig = migrationRig()
    await expect(migrateLive(rig.live({ deadlineMs: Number.NaN }))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('the end is predicted in the reports', async () => {
    rig = migrationRig({ way: 'asynchronous', blockSize: 65536, size: MANY, tickMs: 0.001 })
    const predicted: number[] = []
    const progressHandler: LiveMigrationOptions['progressHandler'] = (progress) => {
      const { predictedDurationMs, movedBlocks, totalBlocks } = progress
      if (predictedDurationMs !== undefined && movedBlocks > totalBlocks / 4) predicted.push(predictedDurationMs)
    }
    const { durationMs } = await migrateLive(rig.live({ runBytes: 65536, verify: 'none', progressHandler }))
    expect(predicted.length).toBeGreaterThan(3)
    for (const ms of predicted) expect(Math.abs(ms - durationMs) / durationMs).toBeLessThan(0.25)
  })
})
