import { afterEach, describe, expect, it } from 'vitest'
import { RATE_WINDOW_MS } from '../../src/migration/limits.ts'
import { migrateLive } from '../../src/migration/migrate-live.ts'
import { BLOCK_STATE, type MigrationProgress, RateMeter } from '../../src/migration/progress.ts'
import { onBlocks } from '../support/flaky-storage.ts'
import { migrationRig, type Rig, WAYS } from '../support/migration-rig.ts'

let rig: Rig
afterEach(() => rig?.close())

describe.each(WAYS)('progress, %s:', (way) => {
  it('adds up at every report: moved, pending and active blocks are all blocks', async () => {
    rig = migrationRig({ way, size: 100 * 512 + 1 })
    const reports: MigrationProgress[] = []
    const states: number[][] = []
    let running = true
    const writer = (async () => {
      for (let turn = 1; running; turn++) {
        await rig.clock.sleep(2)
        await rig.local.writeAt(new Uint8Array(300).fill(turn), Math.floor(rig.random() * 50_000))
      }
    })()
    const result = await migrateLive(
      rig.live({
        progressIntervalMs: 0,
        progressHandler: (progress, blocks) => {
          reports.push(progress)
          const target = new Uint8Array(rig.blocks)
          blocks.blockStates(target)
          states.push([0, 1, 2, 3].map((state) => target.filter((each) => each === state).length))
        },
      }),
    )
    running = false
    expect(reports.length).toBeGreaterThan(10)
    for (const [index, progress] of reports.entries()) {
      const { totalBlocks, movedBlocks, pendingBlocks, activeBlocks, dirtyBlocks } = progress
      expect(totalBlocks).toBe(rig.blocks)
      // A block that is under way and waits to be sent again counts on both sides.
      expect(movedBlocks + pendingBlocks + activeBlocks).toBeGreaterThanOrEqual(totalBlocks)
      if (progress.round === 0) expect(movedBlocks + pendingBlocks + activeBlocks).toBe(totalBlocks)
      for (const value of [movedBlocks, pendingBlocks, activeBlocks, dirtyBlocks]) {
        expect(value).toBeGreaterThanOrEqual(0)
        expect(value).toBeLessThanOrEqual(totalBlocks)
      }
      expect(states[index]!.reduce((sum, count) => sum + count)).toBe(totalBlocks)
      expect(states[index]![BLOCK_STATE.moving]).toBe(activeBlocks)
      expect(progress.bytesPerSecond).toBeGreaterThanOrEqual(0)
      expect(progress.dirtyBytesPerSecond).toBeGreaterThanOrEqual(0)
      const before = reports[index - 1]
      if (before) {
        expect(progress.bytesMoved).toBeGreaterThanOrEqual(before.bytesMoved)
        expect(progress.round).toBeGreaterThanOrEqual(before.round)
      }
    }
    const last = reports.at(-1)!
    expect(last).toMatchObject({ phase: 'done', movedBlocks: rig.blocks, pendingBlocks: 0, activeBlocks: 0 })
    expect(last.bytesMoved).toBe(result.bytesMoved)
    expect(last.round).toBe(result.rounds)
    expect(states.at(-1)).toEqual([0, 0, rig.blocks, 0])
    expect(new Set(reports.map(({ phase }) => phase))).toContain('locked')
    rig.local.unlock()
    await writer
  })

  it('is reported no more often than asked, and at the ends of rounds', async () => {
    rig = migrationRig({ way, size: 2000 * 512, slowMs: 20 })
    const times: number[] = []
    const phases: string[] = []
    const startedAt = rig.clock.now()
    await migrateLive(
      rig.live({
        progressIntervalMs: 100,
        progressHandler: ({ phase }) => {
          times.push(rig.clock.now())
          phases.push(phase)
        },
      }),
    )
    const took = rig.clock.now() - startedAt
    const full = times.filter((_, index) => phases[index] === 'full')
    // The first comes at once and the last at the end of the pass; those between keep the distance.
    for (let index = 1; index + 1 < full.length; index++)
      expect(full[index]! - full[index - 1]!).toBeGreaterThanOrEqual(100)
    expect(full.length).toBeGreaterThan(3)
    expect(times.length).toBeLessThan(took / 100 + 8)
  })

  it('counts failed blocks as pending', async () => {
    rig = migrationRig({ way, content: new Uint8Array(20 * 512).fill(1) })
    rig.destination.plan = onBlocks('write', { blocks: [1, 2], blockSize: 512 })
    const migrator = rig.migrator()
    await migrator.migrate(20)
    await migrator.waitForCompletion().catch(() => {})
    expect(migrator.progress()).toMatchObject({ movedBlocks: 18, pendingBlocks: 2, activeBlocks: 0 })
    expect(migrator.pendingBlocks).toBe(2)
    const states = new Uint8Array(25).fill(9)
    migrator.blockStates(states)
    expect([...states.subarray(0, 4), ...states.subarray(19)]).toEqual([2, 0, 0, 2, 2, 9, 9, 9, 9, 9])
  })

  it('knows the time left and the pause to expect', async () => {
    rig = migrationRig({ way, size: 400 * 512, slowMs: 20 })
    const reports: [number, MigrationProgress][] = []
    const progressHandler = (progress: MigrationProgress) => void reports.push([rig.clock.now(), progress])
    const migrator = rig.migrator({ progressHandler, progressIntervalMs: 10 })
    expect(migrator.progress()).toMatchObject({ timeLeftMs: undefined, predictedPauseMs: undefined, bytesPerSecond: 0 })
    await migrator.migrate(rig.blocks)
    await migrator.waitForCompletion()
    const endedAt = rig.clock.now()
    const half = reports[Math.floor(reports.length / 2)]!
    const left = endedAt - half[0]
    // Within a factor of three, on storages whose latency is chance and whose empty blocks cost next to nothing.
    expect(half[1].timeLeftMs).toBeGreaterThan(left / 3)
    expect(half[1].timeLeftMs).toBeLessThan(left * 3)
    expect(migrator.msPerBlock).toBeGreaterThan(0)
    await rig.local.writeAt(new Uint8Array(512 * 10), 0)
    expect(migrator.progress().predictedPauseMs).toBeCloseTo(10 * migrator.msPerBlock!)
    expect(migrator.progress().dirtyBlocks).toBe(10)
    expect(migrator.blocksDirtied).toBe(10)
  })
})

describe('RateMeter', () => {
  it('says 0 until two totals were noted, and the rate after that at once', () => {
    const meter = new RateMeter()
    expect(meter.perSecond).toBe(0)
    meter.note(0, 100)
    expect(meter.perSecond).toBe(0)
    meter.note(10, 200)
    expect(meter.perSecond).toBeCloseTo(10_000)
  })

  it('follows a change within a few windows and forgets what was before', () => {
    const meter = new RateMeter()
    for (let at = 0; at <= 5000; at += 50) meter.note(at, at)
    expect(meter.perSecond).toBeCloseTo(1000)
    for (let at = 5050; at <= 5000 + 5 * RATE_WINDOW_MS; at += 50) meter.note(at, 5000 + 10 * (at - 5000))
    expect(meter.perSecond).toBeGreaterThan(9900)
  })

  it('ignores notes of the same moment and a clock that goes back', () => {
    const meter = new RateMeter()
    meter.note(0, 0)
    meter.note(100, 100)
    meter.note(100, 5000)
    meter.note(50, 9000)
    expect(meter.perSecond).toBeCloseTo(1000)
    expect(Number.isFinite(meter.perSecond)).toBe(true)
  })
})
