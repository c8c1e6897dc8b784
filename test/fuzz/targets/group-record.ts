import { decodeGroupRecord, encodeGroupRecord, type GivenDisk } from '../../../src/devices/group-record.ts'
import { GROUP_DISKS } from '../../../src/devices/limits.ts'
import { errorCode } from '../../../src/errors/storage-error.ts'
import { type FuzzTarget, must, mustEqual } from '../target.ts'

/** What decides for all disks of a group, in one form only: whatever is read is written back as it was, and no migration is named twice. */
export const groupRecord: FuzzTarget = {
  name: 'group-record',
  seeds: [0, 1, 2, 3, GROUP_DISKS].map((count) => encodeGroupRecord(disksOf(count))),
  // A disk is one of these after another.
  words: [...disksOf(2).map((disk) => encodeGroupRecord([disk]).subarray(2)), new Uint8Array(17)],
  run(bytes) {
    const disks = read(bytes)
    if (!disks) return
    must(disks.length <= GROUP_DISKS, `a group has at most ${GROUP_DISKS} disks`)
    must(new Set(disks.map(({ migrationId }) => migrationId)).size === disks.length, 'no migration is named twice')
    mustEqual(encodeGroupRecord(disks), bytes, 'read and written')
  },
}

/** Undefined for what is called damaged. */
function read(bytes: Uint8Array): GivenDisk[] | undefined {
  try {
    return decodeGroupRecord(bytes)
  } catch (error) {
    if (errorCode(error) === 'CORRUPT') return undefined
    throw error
  }
}

/** Every other one with a root. */
function disksOf(count: number): GivenDisk[] {
  const id = (digit: number, index: number) => `${digit}${index.toString(16).padStart(31, '0')}`
  return Array.from({ length: count }, (_, index) => ({
    diskId: id(1, index),
    migrationId: id(2, index),
    root: index % 2 === 0 ? new Uint8Array(16).fill(index + 1) : undefined,
  }))
}
