import { describe, expect, test } from 'vitest'
import { MemoryJournal } from '../../src/devices/disk-journal.ts'
import {
  decodeGroupRecord,
  encodeGroupRecord,
  GROUP_RECORD_BYTES,
  GroupRecord,
} from '../../src/devices/group-record.ts'
import { begin, ownDisk } from '../../src/migration/journal/ownership.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { BlockDigests } from '../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import { FlakyStorage } from '../support/flaky-storage.ts'

const SIZE = 8192
const given = (migrationId: string) => ({ diskId: 'd'.repeat(32), migrationId, root: undefined })

test('a decision that was stored survives the next one being torn, also the first after a start', async () => {
  const place = new FlakyStorage(new MemoryStorage(GROUP_RECORD_BYTES))
  await (await GroupRecord.open(place)).decide([given('1'.repeat(32))])
  const reopened = await GroupRecord.open(place)
  place.plan = ({ operation }) => (operation === 'write' ? { effect: 0.5 } : undefined)
  await expect(reopened.decide([given('2'.repeat(32))])).rejects.toMatchObject({ code: 'IN_DOUBT' })
  place.plan = undefined

  const journal = new MemoryJournal(new BlockDigests(SIZE, 4096, await createBlockHasher()))
  const disk = ownDisk({ diskId: 'd'.repeat(32), size: SIZE, blockSize: 4096 })
  await journal.become(begin(disk, { id: '1'.repeat(32), key: 'c'.repeat(32) }))
  await (await GroupRecord.open(place)).settle(journal)
  expect(journal.ownership?.state).toBe('released')
})

describe('a record of a group that was not written so is called damaged', () => {
  const [first, second] = [given('1'.repeat(32)), given('2'.repeat(32))]
  const changed = (at: number, byte: number) => encodeGroupRecord([first, second]).fill(byte, at, at + 1)
  test.each([
    ['empty', new Uint8Array(0)],
    ['of another version', changed(0, 2)],
    ['with a disk less than it says', changed(1, 3)],
    ['with a disk more than it says', changed(1, 1)],
    ['with a root that is neither there nor not', changed(2 + 32, 2)],
    ['with a root that is said not to be there', changed(2 + 33, 1)],
    ['that names one migration twice', encodeGroupRecord([first, first])],
  ])('%s', (_, record) => {
    expect(decodeGroupRecord(encodeGroupRecord([first, second]))).toEqual([first, second])
    expect(() => decodeGroupRecord(record)).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
  })
})
