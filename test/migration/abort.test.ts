import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Clock } from '../../src/async/clock.ts'
import { errorCode } from '../../src/errors/storage-error.ts'
import { type LiveMigrationOptions, migrateLive } from '../../src/migration/migrate-live.ts'
import { type Call, onBlocks } from '../support/flaky-storage.ts'
import { expectUsable, migrationRig, type Rig, WAYS, type Way } from '../support/migration-rig.ts'
import { settled } from '../support/virtual-clock.ts'

let rig: Rig
afterEach(() => rig.close())

/** Where a run can be interrupted: every call of a storage or a handler, and every look at and wait for the clock. */
class Points {
  passed = 0
  readonly controller = new AbortController()
  readonly #at: number
  #abortedIn = ''

  constructor(at: number) {
    this.#at = at
  }

  get abortedIn(): string {
    return this.#abortedIn
  }

  pass(what: string): void {
    if (++this.passed !== this.#at) return
    this.#abortedIn = what
    this.controller.abort(new Error('the user'))
  }
}

interface Run {
  readonly points: Points
  readonly outcome: unknown
  readonly handedOver: boolean
}

/** A live migration with a fault and a writer, aborted at the n-th point. */
async function runUntil(at: number, way: Way, more: Partial<LiveMigrationOptions> = {}): Promise<Run> {
  rig = migrationRig({ way, size: 12 * 512 + 40 })
  const points = new Points(at)
  let handedOver = false
  const plan = (side: string, failing: number) => (call: Call) => {
    points.pass(`${side} ${call.operation}`)
    return call.operation === 'write' && call.number >= failing && call.number < failing + 2 ? {} : undefined
  }
  rig.source.plan = plan('source', Number.NaN)
  rig.destination.plan = plan('destination', 2)
  const clock: Clock = {
    now: () => {
      points.pass('now')
      return rig.clock.now()
    },
    sleep: async (ms, signal) => {
      const sleeping = rig.clock.sleep(ms, signal)
      points.pass('sleep')
      await sleeping
      points.pass('woken')
    },
    yield: async () => {
      const yielding = rig.clock.yield()
      points.pass('yield')
      await yielding
      points.pass('resumed')
    },
  }
  // Something to do for two dirty rounds and for the one with the writer stopped.
  const flush = rig.destination.flush.bind(rig.destination)
  rig.destination.flush = async () => {
    if (rig.local.state === 'open')
      await rig.local.writeAt(new Uint8Array(600).fill(rig.destination.calls.flush + 1), 500)
    await flush()
  }
  const options = rig.live({
    clock,
    signal: points.controller.signal,
    maxRounds: 2,
    handOver: async () => {
      handedOver = true
      points.pass('hand-over')
      await settled()
    },
    progressHandler: () => points.pass('progress'),
    progressIntervalMs: 0,
    ...more,
  })
  const outcome = await migrateLive(options).then(
    () => undefined,
    (error) => error,
  )
  rig.destination.flush = flush
  return { points, outcome, handedOver }
}

describe.each(WAYS)('abort at any moment, %s:', (way) => {
  it.each(['read-back', 'none'] as const)('is heard, and the source goes on unchanged (verify %s)', async (verify) => {
    const { points, outcome } = await runUntil(Number.POSITIVE_INFINITY, way, { verify })
    expect(outcome).toBeUndefined()
    await rig.close()
    const total = points.passed
    expect(total).toBeGreaterThan(60)
    const heardIn = new Set<string>()
    for (let at = 1; at <= total; at++) {
      const { points, outcome, handedOver } = await runUntil(at, way, { verify })
      const where = `aborted at ${at}, in ${points.abortedIn}`
      heardIn.add(points.abortedIn)
      if (outcome === undefined) {
        // Past the point of no return.
        expect(handedOver, where).toBe(true)
        expect(rig.local.state, where).toBe('locked')
        expect(rig.differing(), where).toEqual([])
        rig.local.unlock()
      } else {
        expect(errorCode(outcome), where).toBe('ABORTED')
        expect(outcome, where).toMatchObject({ name: 'AbortError', cause: { message: 'the user' } })
        expect(handedOver, where).toBe(false)
        expect(rig.local.state, where).toBe('open')
      }
      const writes = rig.destination.calls.write
      await settled(true)
      await rig.clock.sleep(1000)
      expect(rig.destination.calls.write, `${where}: nothing is written afterwards`).toBe(writes)
      await expectUsable(rig)
      await rig.close()
    }
    expect(heardIn).toContain('destination write')
    expect(heardIn).toContain('destination flush')
    expect(heardIn).toContain('source read')
    expect(heardIn).toContain('sleep')
    expect(heardIn).toContain('hand-over')
  })

  it('puts blocks back into the order: a second attempt with the same order misses none', async () => {
    const { points } = await runUntil(Number.POSITIVE_INFINITY, way, { verify: 'none' })
    await rig.close()
    for (let at = 1; at <= points.passed; at++) {
      const run = await runUntil(at, way, {
        verify: 'none',
        // The order of a rig that is made inside: filled like the default one.
        get order() {
          return rig.order
        },
      })
      if (run.outcome !== undefined) {
        rig.source.plan = undefined
        rig.destination.plan = undefined
        await rig.local.writeAt(new Uint8Array(3).fill(9), 511)
        await migrateLive(rig.live({ order: rig.order }))
      }
      expect(rig.differing(), `aborted at ${at}, in ${run.points.abortedIn}`).toEqual([])
      await rig.close()
    }
  })
})

describe('abort', () => {
  it.each(WAYS)('before the start moves nothing, %s', async (way) => {
    rig = migrationRig({ way })
    const signal = AbortSignal.abort(new Error('too late'))
    await expect(migrateLive(rig.live({ signal }))).rejects.toMatchObject({ code: 'ABORTED' })
    const migrator = rig.migrator({ signal })
    await expect(migrator.migrate(1)).rejects.toMatchObject({ code: 'ABORTED', cause: { message: 'too late' } })
    await expect(migrator.waitForCompletion()).rejects.toMatchObject({ code: 'ABORTED' })
    expect(rig.destination.calls.write).toBe(0)
    expect(rig.order.available).toBe(rig.blocks)
    await expectUsable(rig)
  })

  it('does not wait for a writer whose write never ends', async () => {
    rig = migrationRig({ way: 'asynchronous' })
    const controller = new AbortController()
    await rig.remote.lock!()
    rig.local.unlock()
    // A write that hangs in the storage: the gate drains for ever.
    const writeAt = rig.source.writeAt.bind(rig.source)
    rig.source.writeAt = () => new Promise(() => {})
    void rig.local.writeAt(Uint8Array.of(1), 0)
    rig.source.writeAt = writeAt
    const migrating = migrateLive(rig.live({ signal: controller.signal })).catch((error) => error)
    await rig.clock.sleep(500)
    expect(rig.local.state).toBe('draining')
    controller.abort()
    const outcome = await Promise.race([migrating, rig.clock.sleep(500).then(() => 'still waiting')])
    expect(outcome).toMatchObject({ code: 'ABORTED' })
    expect(rig.local.state).toBe('open')
  })

  it('waits for a locker of the caller to end before it undoes it', async () => {
    rig = migrationRig()
    const controller = new AbortController()
    const calls: string[] = []
    const lockerHandler = async () => {
      calls.push('locking')
      controller.abort()
      await rig.clock.sleep(10)
      calls.push('locked')
    }
    const unlockerHandler = () => void calls.push('unlocked')
    const options = rig.live({ signal: controller.signal, lockerHandler, unlockerHandler })
    await expect(migrateLive(options)).rejects.toMatchObject({ code: 'ABORTED' })
    expect(calls).toEqual(['locking', 'locked', 'unlocked'])
  })

  it('just before the hand-over still wins', async () => {
    rig = migrationRig()
    const controller = new AbortController()
    const handOver = vi.fn()
    rig.destination.plan = ({ operation }) => {
      if (operation === 'flush' && rig.local.state === 'locked') controller.abort()
      return undefined
    }
    const options = rig.live({ signal: controller.signal, verify: 'none', handOver })
    await expect(migrateLive(options)).rejects.toMatchObject({ code: 'ABORTED' })
    expect(handOver).not.toHaveBeenCalled()
    await expectUsable(rig)
  })

  it('leaves held writers to go on', async () => {
    rig = migrationRig({ way: 'asynchronous' })
    const controller = new AbortController()
    let held: Promise<number> | undefined
    rig.destination.plan = ({ operation }) => {
      if (operation !== 'flush' || rig.local.state !== 'locked') return undefined
      held = rig.local.writeAt(Uint8Array.of(5), 0)
      controller.abort()
      return undefined
    }
    await expect(migrateLive(rig.live({ signal: controller.signal }))).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await held).toBe(1)
    expect(rig.sourceBytes()[0]).toBe(5)
    await expectUsable(rig)
  })

  it.each(WAYS)('leaves blocks in the order that were stored but not read back yet, %s', async (way) => {
    rig = migrationRig({ way, content: new Uint8Array(40 * 512).fill(3) })
    const controller = new AbortController()
    rig.destination.plan = ({ operation, number }) => {
      if (operation === 'write' && number === 6) controller.abort()
      return operation === 'write' && number === 2 ? { how: 'corrupt' } : undefined
    }
    const { order } = rig
    await expect(migrateLive(rig.live({ order, signal: controller.signal }))).rejects.toMatchObject({ code: 'ABORTED' })
    await migrateLive(rig.live({ order }))
    expect(rig.differing()).toEqual([])
  })

  it.each(WAYS)('while reading back forgets no block found wrong, and none it could not read, %s', async (way) => {
    // Read back in pieces of 16 blocks: the first is wrong and read, the one with block 85 is wrong and being read.
    for (const block of [0, 85]) {
      rig = migrationRig({ way, blockSize: 65536, content: new Uint8Array(8 << 20).fill(3) })
      const controller = new AbortController()
      const corrupt = onBlocks('write', { blocks: [block], blockSize: 65536, times: 1 }, { how: 'corrupt' })
      rig.destination.plan = (call) => {
        if (call.operation === 'read' && call.number === 6) controller.abort()
        return corrupt(call)
      }
      const { order } = rig
      const options = rig.live({ order, signal: controller.signal })
      await expect(migrateLive(options)).rejects.toMatchObject({ code: 'ABORTED' })
      expect(order.available).toBeGreaterThan(0)
      await migrateLive(rig.live({ order }))
      expect(rig.differing()).toEqual([])
      await rig.close()
    }
  })
})
