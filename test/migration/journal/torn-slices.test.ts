import { expect, it } from 'vitest'
import { type Journal, journalBytes, openJournal } from '../../../src/migration/journal/journal.ts'
import { ownDisk } from '../../../src/migration/journal/ownership.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { createBlockHasher } from '../../../src/storage/block-hasher.ts'

const hasher = await createBlockHasher()
const BLOCK = 512
const SIZE = 40 * BLOCK
const BYTES = journalBytes(SIZE, BLOCK)
const disk = { diskId: 'd'.repeat(32), size: SIZE, blockSize: BLOCK }
const content = (value: number) => new Uint8Array(BLOCK).fill(value)

const open = (place: MemoryStorage, bootId: string): Promise<Journal> =>
  openJournal(place, { size: SIZE, blockSize: BLOCK, hasher, bootId })

const knownBlocks = ({ digests }: Journal) =>
  Array.from({ length: 40 }, (_, block) => block).filter((block) => digests.isKnown(block))

it.each([
  ['a power loss', 'next'],
  ['a kill', 'this'],
])('keeps what was told and flushed when a later slice is torn by %s', async (_, bootId) => {
  const place = new MemoryStorage(BYTES)
  const image = () => {
    const bytes = new Uint8Array(BYTES)
    place.readAtSync(bytes, 0)
    return bytes
  }
  const journal = await open(place, 'this')
  await journal.become(ownDisk(disk))
  // More than once: no place of a slice may be good for the first time only.
  for (let block = 0; block < 6; block++) {
    journal.digests.note(block, content(1 + block))
    await journal.checkpoint({ flush: async () => {} })
    for (const later of [8, 9, 10]) {
      const before = image()
      journal.digests.note(later, content(later + block))
      await journal.checkpoint()
      const after = image()
      const torn = new MemoryStorage(BYTES)
      torn.writeAtSync(after, 0)
      const changed = after.findIndex((byte, at) => byte !== before[at])
      torn.writeAtSync(new Uint8Array(40).fill(0xee), changed + 20)
      const again = await open(torn, bootId)
      expect(knownBlocks(again).slice(0, block + 1)).toEqual(Array.from({ length: block + 1 }, (_, known) => known))
      again.free()
    }
  }
})
