import { expect, test } from 'vitest'
import { ArrivingFace } from '../../src/devices/arriving-face.ts'
import { OwnedFace } from '../../src/devices/owned-face.ts'
import { type Journal, journalBytes, openJournal } from '../../src/migration/journal/journal.ts'
import { commit, prepare, receive } from '../../src/migration/journal/ownership.ts'
import { createWaitingCache } from '../../src/modules/waiting-cache.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'

const BLOCK = 4096
const SIZE = 40 * BLOCK

test('a late copy of a block that the new owner has flushed leaves it told, so that a restart does not fetch it again', async () => {
  const place = new MemoryStorage(journalBytes(SIZE, BLOCK))
  const hasher = await createBlockHasher()
  const open = (): Promise<Journal> => openJournal(place, { size: SIZE, blockSize: BLOCK, hasher, bootId: 'one' })
  const journal = await open()
  const disk = { diskId: 'd'.repeat(32), size: SIZE, blockSize: BLOCK }
  const receiving = receive(undefined, disk, 1, { id: '1'.repeat(32), key: 'c'.repeat(32) })
  await journal.become(commit(prepare(receiving, { missing: true })))
  const storage = new MemoryStorage(SIZE)
  const cache = createWaitingCache(storage, BLOCK)
  const owned = new OwnedFace(cache, journal)
  const face = new ArrivingFace(cache, journal)
  face.admission = 'missing'

  await owned.writeAt(new Uint8Array(BLOCK).fill(1), 20 * BLOCK)
  await owned.flush()
  // Sent before the source heard of the write: with its neighbours, which are missing.
  await face.writeAt(new Uint8Array(3 * BLOCK).fill(2), 19 * BLOCK)
  await face.zeroAt(20 * BLOCK, 2 * BLOCK)
  await face.flush()

  const bytes = new Uint8Array(3 * BLOCK)
  storage.readAtSync(bytes, 19 * BLOCK)
  expect([bytes[0], bytes[BLOCK], bytes[2 * BLOCK]]).toEqual([2, 1, 2])
  const { known } = (await open()).digests
  expect([19, 20, 21, 22].map((block) => known.test(block))).toEqual([true, true, true, false])
})
