import { expect, it } from 'vitest'
import { journalBytes } from '../../../src/migration/journal/journal.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { PAGE_BLOCKS } from '../../../src/storage/block-digests.ts'
import { BLOCK, content, knownBlocks, open, SIZE } from './small-journal.ts'

/** A block, and a page of zeroes. */
const NOTED = [0, ...Array.from({ length: PAGE_BLOCKS }, (_, block) => PAGE_BLOCKS + block)]

it.each([
  ['fails in the end', new Error('no room')],
  ['has not ended', undefined],
])('a flush that has ended counts after a power loss, though an earlier one %s', async (_, failure) => {
  const place = new MemoryStorage(journalBytes(SIZE, BLOCK))
  const journal = await open(place, 'this')
  journal.digests.note(0, content(1))
  journal.digests.noteZero(PAGE_BLOCKS, PAGE_BLOCKS)
  let end = (_: unknown) => {}
  const hanging = new Promise<void>((_, reject) => {
    end = reject
  })
  const earlier = journal.checkpoint({ flush: () => hanging })
  earlier.catch(() => {})
  // Told with a doubt that must not stay.
  await journal.checkpoint()
  await journal.checkpoint({ flush: async () => journal.digests.note(1, content(2)) })
  expect(knownBlocks(await open(place, 'next'))).toEqual(NOTED)
  if (!failure) return
  end(failure)
  await expect(earlier).rejects.toThrow('no room')
  journal.digests.note(2, content(3))
  await journal.checkpoint()
  expect(knownBlocks(await open(place, 'another'))).toEqual(NOTED)
})

/** What is known after a power loss; whoever uses the place goes on. */
async function knownLater(place: MemoryStorage): Promise<number[]> {
  const copy = new MemoryStorage(place.size)
  const bytes = new Uint8Array(place.size)
  place.readAtSync(bytes, 0)
  copy.writeAtSync(bytes, 0)
  return knownBlocks(await open(copy, 'next'))
}

it('of a page of zeroes, blocks that a flush has covered count after a power loss, though others came too late for it', async () => {
  const place = new MemoryStorage(journalBytes(SIZE, BLOCK))
  const journal = await open(place, 'this')
  const ofPage = NOTED.slice(1)
  journal.digests.noteZero(PAGE_BLOCKS, PAGE_BLOCKS - 1)
  await journal.checkpoint({ flush: async () => journal.digests.noteZero(2 * PAGE_BLOCKS - 1, 1) })
  expect(await knownLater(place)).toEqual(ofPage.slice(0, -1))
  await journal.checkpoint({ flush: async () => {} })
  expect(await knownLater(place)).toEqual(ofPage)
  // The same when one of them is noted again.
  journal.digests.noteZero(PAGE_BLOCKS, 1)
  await journal.checkpoint()
  expect(await knownLater(place)).toEqual(ofPage.slice(1))
})
