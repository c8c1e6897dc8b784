import { describe, expect, test } from 'vitest'
import { DeviceGroup } from '../../src/devices/device-group.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import type { MigrationPhase } from '../../src/migration/progress.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { FlakyStorage, onCalls } from '../support/flaky-storage.ts'
import { BLOCK, GroupRig } from './group-rig.ts'

async function expectMoved(rig: GroupRig): Promise<void> {
  for (const [index, shadow] of rig.shadows.entries()) {
    expect(await compareDisks(shadow, rig.far.disks[index]!, BLOCK)).toMatchObject({ bytes: 0 })
    expect(rig.trackers[index]!.local.state).toBe('locked')
    expect(rig.received!.disks[index]!.disk.state).toBe('open')
  }
}

const DIALECTS = ['blockferry/1', 'silo'] as const

describe.each(DIALECTS)('in dialect %s a group', (dialect) => {
  test('moves as one while it is written', async () => {
    const rig = new GroupRig({ dialect })
    await rig.boot()
    let writes = 12
    const writing: Promise<void>[] = []
    const { source, destination } = await rig.move(await rig.connect(), {
      progressHandler: () => {
        if (writes-- > 0) writing.push(rig.write())
      },
    })
    await Promise.all(writing)
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    expect(destination.status).toBe('fulfilled')
    await expectMoved(rig)
    await rig.write(3)
    await expectMoved(rig)
    expect(rig.received!.disks.map(({ name, size }) => [name, size])).toEqual(
      rig.shadows.map(({ size }, index) => [`disk ${index}`, size]),
    )
  })

  test('goes from phase to phase together, and is locked once', async () => {
    const rig = new GroupRig({ dialect, seed: 2 })
    await rig.boot()
    const phases: MigrationPhase[][] = [[], [], []]
    const pending = [1, 1, 1]
    let handOvers = 0
    let written = 0
    await rig.move(await rig.connect(), {
      targetPauseMs: 0,
      maxRounds: 2,
      progressHandler: (index, { phase, pendingBlocks, activeBlocks }) => {
        if (phases[index]!.at(-1) !== phase) phases[index]!.push(phase)
        if (phase === 'full') pending[index] = pendingBlocks + activeBlocks
        // No round begins for any before the first pass of all is over.
        else expect(pending.every((blocks) => blocks <= 1)).toBe(true)
        if (written++ < 5)
          for (const { local } of rig.trackers) void local.writeAt(new Uint8Array(10).fill(7), 3 * BLOCK)
      },
      handOver: (contexts) => {
        handOvers++
        expect(contexts.length).toBe(3)
        expect(contexts.every(({ missingBlocks }) => missingBlocks === 0)).toBe(true)
        for (const { local } of rig.trackers) expect(local.state).toBe('locked')
        for (const { disk } of rig.received!.disks) expect(disk.state).not.toBe('open')
      },
    })
    expect(handOvers).toBe(1)
    for (const seen of phases) expect(seen).toEqual(expect.arrayContaining(['full', 'dirty', 'locked']))
  })

  test('keeps the order of writes to different disks', async () => {
    const rig = new GroupRig({ dialect, seed: 3 })
    await rig.boot()
    const number = (value: number) => Uint8Array.of(value >> 8, value & 255)
    let isOver = false
    let latest = 0
    const writer = (async () => {
      while (!isOver) {
        latest++
        for (const index of [0, 2, 1]) {
          const held = rig.trackers[index]!.local.writeAt(number(latest), 0)
          if (rig.trackers[index]!.local.state !== 'open') return
          await held
        }
        await rig.clock.sleep(1)
      }
    })()
    const { source } = await rig.move(await rig.connect(), {
      progressHandler: () => void rig.clock.sleep(2),
    })
    isOver = true
    await writer
    expect(source.status).toBe('fulfilled')
    const read = (index: number) => {
      const bytes = new Uint8Array(2)
      rig.far.disks[index]!.readAtSync(bytes, 0)
      return bytes[0]! * 256 + bytes[1]!
    }
    expect(read(0)).toBeGreaterThanOrEqual(read(2))
    expect(read(2)).toBeGreaterThanOrEqual(read(1))
    expect(read(1)).toBeGreaterThanOrEqual(read(0) - 1)
    expect(latest).toBeGreaterThan(1)
  })

  test('whose hand-over is refused runs on, whole', async () => {
    const rig = new GroupRig({ dialect, seed: 4 })
    await rig.boot()
    const { source } = await rig.move(await rig.connect(), {
      handOver: () => {
        throw new StorageError('ABORTED', 'Not now.')
      },
    })
    expect(source).toMatchObject({ status: 'rejected', reason: { message: 'Not now.' } })
    for (const { local } of rig.trackers) expect(local.state).toBe('open')
    await rig.write(4)
    if (dialect === 'silo') await rig.boot()
    expect((await rig.move(await rig.connect())).source.status).toBe('fulfilled')
    await expectMoved(rig)
  })

  test('that is cancelled runs on, whole', async () => {
    const rig = new GroupRig({ dialect, seed: 5 })
    await rig.boot()
    const cancel = new AbortController()
    let reports = 0
    const { source } = await rig.move(await rig.connect(), {
      signal: cancel.signal,
      progressHandler: () => {
        if (++reports === 6) cancel.abort()
      },
    })
    expect(source).toMatchObject({ status: 'rejected', reason: { code: 'ABORTED' } })
    for (const { local } of rig.trackers) expect(local.state).toBe('open')
    expect((await rig.move(await rig.connect())).source.status).toBe('fulfilled')
    await expectMoved(rig)
  })

  test('of which one disk fails stays whole where it is', async () => {
    const rig = new GroupRig({ dialect, seed: 6 })
    await rig.boot()
    const { source } = await rig.move(
      await rig.connect(),
      {},
      {
        create: (_offer, index) => {
          if (index !== 1) return rig.far.of(rig.far.disks[index]!)
          return new FlakyStorage(rig.far.of(rig.far.disks[index]!), onCalls('flush', { times: 99 }))
        },
      },
    )
    expect(source.status).toBe('rejected')
    // Silo hands devices over one by one, and some were: none may be written here.
    const isSilo = dialect === 'silo'
    for (const { local } of rig.trackers) expect(local.state).toBe(isSilo ? 'locked' : 'open')
    if (isSilo) return
    expect((await rig.move(await rig.connect())).source.status).toBe('fulfilled')
    await expectMoved(rig)
  })

  test('for one disk of which there is no room does not come at all', async () => {
    const rig = new GroupRig({ dialect, seed: 7 })
    await rig.boot()
    const { source, destination } = await rig.move(
      await rig.connect(),
      {},
      {
        create: (offer, index) => {
          if (index === 2) throw new StorageError('QUOTA_EXCEEDED', `No room for ${offer.name}.`)
          return rig.place(index)
        },
      },
    )
    expect(source.status).toBe('rejected')
    expect(destination).toMatchObject({ status: 'rejected', reason: { code: 'QUOTA_EXCEEDED' } })
    for (const { local } of rig.trackers) expect(local.state).toBe('open')
  })
})

test.each(['auto', 'post-copy'] as const)(
  'a group may be handed over before all has moved, by %s',
  async (strategy) => {
    const rig = new GroupRig({ seed: 8 })
    await rig.boot()
    const { source } = await rig.move(await rig.connect(), { strategy, maxPauseMs: strategy === 'auto' ? 0 : 5000 })
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    await rig.received!.whole
    await expectMoved(rig)
  },
)

test.each(['auto', 'post-copy'] as const)(
  'a disk that must be whole is so at the hand-over, by %s',
  async (strategy) => {
    const rig = new GroupRig({ seed: 10 })
    await rig.boot()
    rig.group = await DeviceGroup.open({
      disks: rig.trackers.map(({ remote }, index) => ({ name: `disk ${index}`, source: remote, isWhole: index === 1 })),
    })
    let missing: number[] = []
    const { source } = await rig.move(await rig.connect(), {
      strategy,
      deadlineMs: 60_000,
      handOver: (contexts) => {
        missing = contexts.map(({ missingBlocks }) => missingBlocks)
      },
    })
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    expect(missing[1]).toBe(0)
    if (strategy === 'post-copy') expect(missing[0]).toBeGreaterThan(0)
    await rig.received!.whole
    await expectMoved(rig)
  },
)

test('writers that are too busy are told so, and nothing moves away', async () => {
  const rig = new GroupRig({ seed: 9 })
  await rig.boot()
  let isOver = false
  const writers = rig.trackers.map(async ({ local }) => {
    while (!isOver) {
      await local.writeAt(new Uint8Array(10).fill(7), BLOCK * Math.floor(rig.random() * 18))
      await rig.clock.sleep(0.1)
    }
  })
  const { source } = await rig.move(await rig.connect(), { maxPauseMs: 0.5, targetPauseMs: 0, maxRounds: 3 })
  isOver = true
  await Promise.all(writers)
  expect(source).toMatchObject({ status: 'rejected', reason: { code: 'DID_NOT_CONVERGE' } })
  for (const { local } of rig.trackers) expect(local.state).toBe('open')
})

test('going there and back, only what was written travels', async () => {
  const rig = new GroupRig({ seed: 10 })
  await rig.boot()
  const bytes: number[] = []
  for (let move = 1; move <= 5; move++) {
    const before = rig.bytesSent
    let writes = 3
    const writing: Promise<void>[] = []
    const { source } = await rig.move(await rig.connect(), {
      progressHandler: () => {
        if (writes-- > 0) writing.push(rig.write())
      },
    })
    await Promise.all(writing)
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    await expectMoved(rig)
    for (const journal of rig.far.journals) expect(journal.ownership).toMatchObject({ state: 'owner', epoch: move + 1 })
    bytes.push(rig.bytesSent - before)
    await rig.write(4)
    await rig.turnAround()
  }
  const all = rig.shadows.reduce((sum, { size }) => sum + size, 0)
  expect(bytes[0]).toBeGreaterThan(0.75 * all)
  // Seven writes touch three blocks each at most, some of them twice; digests of what is compared come on top.
  for (const back of bytes.slice(1)) expect(back).toBeLessThan(45 * BLOCK)
})

describe('what makes no sense is refused:', () => {
  const disk = (name: string) => ({ name, source: createDirtyTracker(new MemoryStorage(BLOCK), BLOCK).remote })

  test('no disks, or disks of one name', async () => {
    await expect(DeviceGroup.open({ disks: [] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    const disks = [disk('a'), disk('a')]
    await expect(DeviceGroup.open({ disks })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('journals without a place for the word that decides', async () => {
    const rig = new GroupRig()
    const journal = await rig.near.journal(0)
    const disks = [{ ...disk('a'), journal }, disk('b')]
    await expect(DeviceGroup.open({ disks })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'record' })
  })
})

describe('a deadline of a group', () => {
  /** How long a move takes without one. */
  async function duration(strategy: 'auto' | 'pre-copy'): Promise<number> {
    const rig = new GroupRig({ seed: 21 })
    await rig.boot()
    const { source } = await rig.move(await rig.connect(), { strategy })
    if (source.status !== 'fulfilled' || source.value === 'dead') throw new Error('it did not move')
    return Math.max(...source.value.disks.map(({ durationMs }) => durationMs))
  }

  test('that holds changes nothing', async () => {
    const rig = new GroupRig({ seed: 21 })
    await rig.boot()
    const { source } = await rig.move(await rig.connect(), { deadlineMs: 10 * (await duration('pre-copy')) })
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    await expectMoved(rig)
  })

  test('that cannot hold ends a pre-copy with the estimate, and no disk has moved', async () => {
    const rig = new GroupRig({ seed: 21 })
    await rig.boot()
    const deadlineMs = (await duration('pre-copy')) / 3
    const { source } = await rig.move(await rig.connect(), { deadlineMs })
    expect(source).toMatchObject({ status: 'rejected', reason: { code: 'DEADLINE_EXCEEDED', context: { deadlineMs } } })
    for (const { local } of rig.trackers) expect(local.state).toBe('open')
    expect((await rig.move(await rig.connect())).source.status).toBe('fulfilled')
    await expectMoved(rig)
  })

  test('makes one that may leave a rest hand over in time, all disks together', async () => {
    const rig = new GroupRig({ seed: 21 })
    await rig.boot()
    const missing: number[] = []
    const { source } = await rig.move(await rig.connect(), {
      strategy: 'auto',
      deadlineMs: 1.05 * (await duration('auto')),
      // Without a rest all of this would be sent twice.
      progressHandler: (_index, { phase }) => {
        if (phase === 'full')
          for (const { local } of rig.trackers) void local.writeAt(new Uint8Array(9 * BLOCK).fill(7), 0)
      },
      handOver: (contexts) => void missing.push(...contexts.map(({ missingBlocks }) => missingBlocks)),
    })
    expect(source).toMatchObject({ status: 'fulfilled', value: { acknowledged: true } })
    expect(Math.max(...missing)).toBeGreaterThan(0)
    expect(rig.received!.disks.map(({ disk }) => disk.state)).toEqual(['open', 'open', 'open'])
  })

  test('is a number of milliseconds', async () => {
    const rig = new GroupRig({ seed: 21 })
    await rig.boot()
    const { source } = await rig.move(await rig.connect(), { deadlineMs: Number.NaN })
    expect(source).toMatchObject({ status: 'rejected', reason: { name: 'InvalidArgumentError' } })
  })
})
