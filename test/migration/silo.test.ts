import { afterEach, describe, expect, it } from 'vitest'
import { MigrationError } from '../../src/migration/migration-error.ts'
import { migrationRig, type Rig, type RigOptions, WAYS } from '../support/migration-rig.ts'

const rigs: Rig[] = []
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close()
})
function make(options: RigOptions): Rig {
  const rig = migrationRig(options)
  rigs.push(rig)
  return rig
}

// The portable tests of Silo's migrator, each on all three ways.
describe.each(WAYS)('as Silo, %s', (way) => {
  it('moves 256 blocks', async () => {
    const rig = make({ way, blockSize: 4096, size: 256 * 4096 })
    const migrator = rig.migrator()
    await migrator.migrate(256)
    await migrator.waitForCompletion()
    expect(rig.differing()).toEqual([])
    expect(migrator.blocksMoved).toBe(256)
  })

  it('moves a disk of 5000 bytes in blocks of 4096', async () => {
    const rig = make({ way, blockSize: 4096, size: 5000 })
    const migrator = rig.migrator()
    await migrator.migrate(2)
    await migrator.waitForCompletion()
    expect(rig.differing()).toEqual([])
    expect(migrator.bytesMoved).toBe(5000)
  })

  it('moves the same source a second time', async () => {
    const rig = make({ way, blockSize: 4096, size: 50_000 })
    for (const value of [1, 2]) {
      rig.order.addAll()
      const migrator = rig.migrator()
      await migrator.migrate(rig.blocks)
      await migrator.waitForCompletion()
      expect(rig.differing()).toEqual([])
      await rig.local.writeAt(new Uint8Array(9000).fill(value), 10_000)
    }
    expect(rig.differing()).toEqual([2, 3, 4])
    const again = rig.migrator()
    await again.migrateDirty(rig.remote.sync())
    await again.waitForCompletion()
    expect(rig.differing()).toEqual([])
  })

  it('sends what was written during the pass, round by round, until nothing is dirty and the source is locked', async () => {
    const rig = make({ way, blockSize: 4096, size: 256 * 4096 })
    const migrator = rig.migrator()
    let writing = true
    const write = async () => {
      for (let turn = 0; turn < 50; turn++) {
        const data = new Uint8Array(1 + Math.floor(rig.random() * 9000)).fill(turn + 1)
        await rig.local.writeAt(data, Math.floor(rig.random() * (rig.remote.size - data.length)))
        await rig.clock.sleep(rig.random() * 5)
      }
      writing = false
    }
    const writer = write()
    await migrator.migrate(256)
    await migrator.waitForCompletion()
    let rounds = 0
    for (let dirty = await migrator.getLatestDirty(); dirty; dirty = await migrator.getLatestDirty()) {
      rounds++
      await migrator.migrateDirty(dirty)
      await migrator.waitForCompletion()
      if (writing) await rig.clock.sleep(20)
    }
    expect(rounds).toBeGreaterThan(0)
    expect(rig.local.state).toBe('locked')
    expect(rig.differing()).toEqual([])
    migrator.unlock()
    await writer
    expect(rig.local.state).toBe('open')
  })

  it('moves all but the blocks the destination refuses, and names those', async () => {
    const rig = make({ way, blockSize: 4096, size: 16 * 4096, content: new Uint8Array(16 * 4096).fill(7) })
    rig.destination.plan = ({ operation, offset, length }) =>
      operation === 'write' && !(length === 4096 && (offset === 0 || offset === 8 * 4096)) ? {} : undefined
    const migrator = rig.migrator()
    await migrator.migrate(16)
    const error = await migrator.waitForCompletion().catch((error) => error)
    expect(error).toBeInstanceOf(MigrationError)
    expect(error.failedBlocks).toBe(14)
    expect(rig.differing()).toEqual([1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15])
  })
})
