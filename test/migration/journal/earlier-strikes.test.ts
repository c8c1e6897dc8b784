import { expect, it } from 'vitest'
import { journalBytes, openJournal } from '../../../src/migration/journal/journal.ts'
import { ownDisk, prepare, receive } from '../../../src/migration/journal/ownership.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { createBlockHasher } from '../../../src/storage/block-hasher.ts'

const BLOCK = 512
const SIZE = 40 * BLOCK

it('what is told after a hand-over survives a power loss, also where writes before it had struck something out', async () => {
  const hasher = await createBlockHasher()
  const place = new MemoryStorage(journalBytes(SIZE, BLOCK))
  const open = (bootId: string) => openJournal(place, { size: SIZE, blockSize: BLOCK, hasher, bootId })
  const disk = { diskId: 'd'.repeat(32), size: SIZE, blockSize: BLOCK }
  const journal = await open('this')
  await journal.become(ownDisk(disk))
  journal.digests.note(0, new Uint8Array(16 * BLOCK).fill(1))
  await journal.checkpoint({ flush: async () => {} })
  journal.digests.forget(0, 1)
  await journal.strike(0, 1)
  const receiving = receive(undefined, disk, 1, { id: 'a'.repeat(32), key: 'b'.repeat(32) })
  await journal.checkpoint({ flush: async () => {}, ownership: prepare(receiving, { missing: true }) })
  journal.digests.note(20, new Uint8Array(BLOCK).fill(2))
  await journal.checkpoint({ flush: async () => {} })
  expect((await open('next')).digests.isKnown(20)).toBe(true)
})
