import { afterEach, describe, expect, it } from 'vitest'
import { InvalidArgumentError } from '../../src/errors/invalid-argument-error.ts'
import { type LiveMigrationOptions, migrateLive } from '../../src/migration/migrate-live.ts'
import { Migrator } from '../../src/migration/migrator.ts'
import type { MigratorConfig } from '../../src/migration/migrator-config.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { StorageWrapper } from '../../src/storage/wrapper.ts'
import { expectUsable, migrationRig, type Rig } from '../support/migration-rig.ts'

let rig: Rig
afterEach(() => rig.close())

const NO_SIZES = [0, -512, 512.5, Number.NaN, Number.POSITIVE_INFINITY, 1000, 256, 2 ** 25]
const NO_COUNTS = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]
const NO_TIMES = [-1, Number.NaN]

describe('Migrator refuses', () => {
  const refused = (config: Partial<MigratorConfig>, argument: string) => {
    rig = migrationRig()
    let error: unknown
    try {
      rig.migrator(config)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(InvalidArgumentError)
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', argument })
  }

  it.each(NO_SIZES)('block size %d', (blockSize) => refused({ blockSize }, 'blockSize'))
  it('a block size that is not the source’s', () => refused({ blockSize: 1024 }, 'blockSize'))
  it.each(NO_COUNTS)('runs of %d bytes', (runBytes) => refused({ runBytes }, 'runBytes'))
  it.each([...NO_COUNTS, 1025])('a concurrency of %d', (any) =>
    refused({ concurrency: { any } }, 'concurrency.standard'),
  )
  it.each(NO_COUNTS)('a concurrency of %d for one kind', (dirty) =>
    refused({ concurrency: { dirty } }, 'concurrency.dirty'),
  )
  it.each(NO_TIMES)('progress every %d ms', (progressIntervalMs) =>
    refused({ progressIntervalMs }, 'progressIntervalMs'),
  )

  it('an order over another number of blocks', () => {
    rig = migrationRig()
    for (const blocks of [rig.blocks - 1, rig.blocks + 1]) {
      expect(() => rig.migrator({}, new AnyBlockOrder(blocks))).toThrow(InvalidArgumentError)
    }
  })

  it('a destination of another size, with both sizes', async () => {
    rig = migrationRig()
    for (const size of [rig.remote.size - 1, rig.remote.size + 1]) {
      const destination = new MemoryStorage(size)
      const make = () => new Migrator(rig.remote, destination, rig.order, { blockSize: rig.blockSize })
      expect(make).toThrow(
        expect.objectContaining({
          code: 'SIZE_MISMATCH',
          context: { source: rig.remote.size, destination: size },
        }),
      )
      await expect(migrateLive(rig.live({ destination }))).rejects.toMatchObject({ code: 'SIZE_MISMATCH' })
    }
    await expectUsable(rig)
  })

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('to migrate %d blocks', async (count) => {
    rig = migrationRig()
    const migrator = rig.migrator()
    await expect(migrator.migrate(count)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'count' })
    await migrator.migrate(0)
    await migrator.waitForCompletion()
    expect(migrator.blocksMoved).toBe(0)
    await expectUsable(rig)
  })
})

describe('migrateLive refuses, before anything has moved,', () => {
  const refused = async (options: Partial<LiveMigrationOptions>, argument: string) => {
    rig = migrationRig()
    await expect(migrateLive(rig.live(options))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument })
    expect(rig.destination.calls.write + rig.destination.calls.zero).toBe(0)
    expect(rig.source.calls.read).toBe(0)
    await expectUsable(rig)
  }

  it.each([-1, 1.5, Number.NaN])('%d rounds', (maxRounds) => refused({ maxRounds }, 'maxRounds'))
  it.each(NO_TIMES)('a pause of %d ms', (maxPauseMs) => refused({ maxPauseMs }, 'maxPauseMs'))
  it.each(NO_TIMES)('a target pause of %d ms', (targetPauseMs) => refused({ targetPauseMs }, 'targetPauseMs'))
  it.each(NO_COUNTS)('runs of %d bytes', (runBytes) => refused({ runBytes }, 'runBytes'))
  it('an order over another number of blocks', () => refused({ order: new AnyBlockOrder(3) }, 'order.numBlocks'))

  it('a source without a lock', async () => {
    rig = migrationRig()
    const { remote } = rig
    const source = Object.assign(new StorageWrapper(remote), {
      blockSize: rig.blockSize,
      dirtyBlocks: 0,
      isDirty: () => false,
      sync: () => remote.sync(),
      trackAt: (offset: number, length: number) => remote.trackAt(offset, length),
      unrequiredBlocks: () => undefined,
    })
    await expect(migrateLive(rig.live({ source }))).rejects.toMatchObject({ argument: 'lockerHandler' })
    expect(rig.destination.calls.write).toBe(0)
    const result = await migrateLive(
      rig.live({ source, lockerHandler: () => remote.lock!(), unlockerHandler: () => remote.unlock!() }),
    )
    expect(result.rounds).toBe(1)
    expect(rig.differing()).toEqual([])
    rig.local.unlock()
    await expectUsable(rig)
  })

  it('a closed source and a closed destination, with CLOSED', async () => {
    rig = migrationRig()
    const closed = new MemoryStorage(rig.remote.size)
    await closed.close()
    await expect(migrateLive(rig.live({ destination: closed }))).rejects.toMatchObject({ code: 'CLOSED' })
    await expectUsable(rig)
    await rig.local.close()
    await expect(migrateLive(rig.live())).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('odd but right', () => {
  it.each([1, 511, 512, 513, 1024])('a disk of %i bytes moves', async (size) => {
    rig = migrationRig({ size, content: new Uint8Array(size).fill(9) })
    const { bytesMoved } = await migrateLive(rig.live())
    expect(bytesMoved).toBe(size)
    expect(rig.differing()).toEqual([])
  })

  it('blocks larger than the disk and than a run', async () => {
    rig = migrationRig({ blockSize: 65536, size: 1000, content: new Uint8Array(1000).fill(9) })
    await migrateLive(rig.live({ runBytes: 1 }))
    expect(rig.differing()).toEqual([])
  })

  it('no dirty round is allowed but the last one', async () => {
    rig = migrationRig()
    const { rounds } = await migrateLive(rig.live({ maxRounds: 0 }))
    expect(rounds).toBe(1)
    expect(rig.differing()).toEqual([])
  })
})
