import { afterEach, describe, expect, it } from 'vitest'
import { StorageError } from '../../src/errors/storage-error.ts'
import { expectUsable, migrationRig, type Rig, WAYS } from '../support/migration-rig.ts'
import { settled, VirtualClock } from '../support/virtual-clock.ts'

let rig: Rig
afterEach(() => rig.close())

describe('a migration by hand', () => {
  it.each(WAYS)('finds the source locked when nothing is dirty, and open otherwise, %s', async (way) => {
    rig = migrationRig({ way })
    const migrator = rig.migrator()
    await migrator.migrate(rig.blocks)
    await migrator.waitForCompletion()
    await rig.local.writeAt(Uint8Array.of(1), 700)
    const dirty = await migrator.getLatestDirty()
    expect([dirty?.count(), dirty?.test(1), rig.local.state]).toEqual([1, true, 'open'])
    await migrator.migrateDirty(dirty!)
    await migrator.waitForCompletion()
    expect(await migrator.getLatestDirty()).toBeUndefined()
    expect(rig.local.state).toBe('locked')
    const held = rig.local.writeAt(Uint8Array.of(2), 0)
    await settled()
    expect(rig.differing()).toEqual([])
    migrator.unlock()
    expect(await held).toBe(1)
    migrator.unlock()
    expect(rig.local.state).toBe('open')
  })

  it('waits in getLatestDirty for writes in flight, and returns what they wrote', async () => {
    rig = migrationRig({ way: 'asynchronous' })
    const migrator = rig.migrator()
    await migrator.migrate(rig.blocks)
    await migrator.waitForCompletion()
    const write = rig.local.writeAt(new Uint8Array(600), 0)
    const dirty = await migrator.getLatestDirty()
    await write
    expect(dirty?.count()).toBe(2)
    await migrator.migrateDirty(dirty!)
    await migrator.waitForCompletion()
    expect(rig.differing()).toEqual([])
  })

  it('lets the writer go on when the dirty set cannot be taken', async () => {
    rig = migrationRig()
    const migrator = rig.migrator()
    const sync = rig.remote.sync.bind(rig.remote)
    rig.remote.sync = () => {
      throw new StorageError('OUT_OF_MEMORY')
    }
    await expect(migrator.getLatestDirty()).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' })
    expect(rig.local.state).toBe('open')
    rig.remote.sync = sync
    await expectUsable(rig)
  })

  it('keeps other migrations off for as long as the source is held', async () => {
    rig = migrationRig()
    const [first, second] = [rig.migrator(), rig.migrator()]
    const giveBack = first.hold()
    await expect(second.migrate(1)).rejects.toMatchObject({ code: 'BUSY' })
    await first.migrate(5)
    await first.waitForCompletion()
    await expect(second.migrate(1)).rejects.toMatchObject({ code: 'BUSY' })
    giveBack()
    giveBack()
    await second.migrate(rig.blocks)
    await second.waitForCompletion()
    expect(rig.differing()).toEqual([])
  })

  it('that does not wait between rounds still ends equal', async () => {
    const clock = new VirtualClock()
    rig = migrationRig({ way: 'asynchronous', slowMs: 30 })
    const migrator = rig.migrator()
    void clock
    await migrator.migrate(rig.blocks)
    for (let round = 0; round < 10; round++) {
      await rig.local.writeAt(new Uint8Array(900).fill(round + 1), round * 500)
      await migrator.migrateDirty(rig.remote.sync())
    }
    await migrator.waitForCompletion()
    const last = await migrator.getLatestDirty()
    if (last) {
      await migrator.migrateDirty(last)
      await migrator.waitForCompletion()
    }
    expect(rig.differing()).toEqual([])
  })
})
