import { afterEach, describe, expect, it } from 'vitest'
import { errorCode, StorageError } from '../../src/errors/storage-error.ts'
import type { MigrationStrategy } from '../../src/migration/live-options.ts'
import { migrateLive } from '../../src/migration/migrate-live.ts'
import { moveRest, RestError } from '../../src/migration/move-rest.ts'
import { onCalls } from '../support/flaky-storage.ts'
import { expectUsable, migrationRig, type Rig } from '../support/migration-rig.ts'

let rig: Rig
afterEach(() => rig.close())

/** What can fail: calls of a storage, or the hand-over, before it has released the source. */
const CALLS = [
  'source read',
  'source extents',
  'destination write',
  'destination zero',
  'destination flush',
  'hand-over',
] as const

/** `once`: a fault that another attempt mends. `ever`: from the n-th call on, as when a cable was pulled. */
const FAULTS = ['once', 'ever'] as const

type Outcome = 'success' | 'undone' | 'rest'

/** A new rig with one failure in it, a few writes in each round, and what becomes of the migration. */
async function migrateWithFault(
  strategy: MigrationStrategy,
  call: (typeof CALLS)[number],
  { nth, fault }: { nth: number; fault: (typeof FAULTS)[number] },
): Promise<{ outcome: Outcome; faults: number }> {
  rig = migrationRig({ way: 'holey', seed: nth, size: 60 * 512 })
  const times = fault === 'once' ? 1 : Number.POSITIVE_INFINITY
  const error = fault === 'once' ? {} : { error: new StorageError('CONNECTION_LOST') }
  const [side, operation] = call.split(' ') as [
    'source' | 'destination',
    'read' | 'write' | 'zero' | 'flush' | 'extents',
  ]
  if (call !== 'hand-over') rig[side].plan = onCalls(operation, { from: nth, times }, error)
  let handOvers = 0
  let handOverFaults = 0
  let running = true
  const writer = (async () => {
    for (let turn = 1; running && turn < 40; turn++) {
      await rig.local.writeAt(new Uint8Array(300).fill(turn), Math.floor(rig.random() * 25_000))
      await rig.clock.sleep(1)
    }
  })()
  const ended = await migrateLive(
    rig.live({
      strategy,
      order: rig.order,
      maxRounds: 4,
      verify: 'root',
      handOver: async () => {
        handOvers++
        await rig.clock.sleep(1)
        if (call !== 'hand-over' || handOvers < nth) return { released: true }
        handOverFaults++
        throw new StorageError('PEER_LOST')
      },
    }),
  ).catch((error: unknown) => error)
  const faults = rig.source.faults + rig.destination.faults + handOverFaults
  const isLocked = rig.local.state === 'locked'
  const settle = async () => {
    running = false
    rig.local.unlock()
    await writer
  }
  if (!(ended instanceof Error)) {
    expect([isLocked, rig.differing()]).toEqual([true, []])
    await settle()
    return { outcome: 'success', faults }
  }
  expect(errorCode(ended), String(ended)).toBeDefined()
  if (ended instanceof RestError) {
    expect([isLocked, ended.missingBlocks]).toEqual([true, rig.order.available])
    rig.source.plan = undefined
    rig.destination.plan = undefined
    await moveRest({ source: rig.remote, destination: rig.destination, order: rig.order, clock: rig.clock })
    expect(rig.differing()).toEqual([])
    await settle()
    return { outcome: 'rest', faults }
  }
  expect(isLocked).toBe(false)
  await settle()
  await expectUsable(rig)
  return { outcome: 'undone', faults }
}

describe.each<MigrationStrategy>(['pre-copy', 'auto', 'post-copy'])('%s:', (strategy) => {
  it.each(CALLS.flatMap((call) => FAULTS.map((fault) => [call, fault] as const)))(
    'the n-th %s fails %s: it ends well, or the source runs on, or it was handed over and the rest can follow',
    async (call, fault) => {
      const outcomes = new Set<Outcome>()
      let nth = 1
      for (let faults = 1; faults > 0; nth++) {
        const ended = await migrateWithFault(strategy, call, { nth, fault })
        outcomes.add(ended.outcome)
        faults = ended.faults
        await rig.close()
        expect(nth, 'there is an end to the calls').toBeLessThan(300)
      }
      // The last one met no fault, and the one before did.
      expect(outcomes).toContain('success')
      if (call === 'hand-over') expect([...outcomes].sort()).toEqual(['success', 'undone'])
      else if (fault === 'ever' && call !== 'destination zero' && call !== 'source extents') {
        expect(outcomes).toContain(strategy === 'post-copy' ? 'rest' : 'undone')
      }
    },
    60_000,
  )
})
