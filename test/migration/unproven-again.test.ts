import { afterEach, expect, it } from 'vitest'
import { StorageError } from '../../src/errors/storage-error.ts'
import { migrateLive } from '../../src/migration/migrate-live.ts'
import { migrationRig, type Rig, WAYS } from '../support/migration-rig.ts'

let rig: Rig
afterEach(() => rig.close())

it.each(WAYS)('what was stored and not read back is sent again in the next attempt, %s', async (way) => {
  rig = migrationRig({ way, content: new Uint8Array(20 * 512).fill(3) })
  const full = new StorageError('QUOTA_EXCEEDED')
  rig.destination.plan = ({ operation, offset }) =>
    operation === 'write' && offset >= 15 * 512 ? { error: full } : undefined
  const options = { order: rig.order, runBytes: 512, verify: 'read-back' } as const
  await expect(migrateLive(rig.live(options))).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
  rig.destination.plan = undefined
  expect(rig.order.available).toBeGreaterThan(0)
  // It was never written, whatever was said.
  await rig.destination.writeAt(new Uint8Array(512), 2 * 512)
  await migrateLive(rig.live(options))
  expect(rig.differing()).toEqual([])
})
