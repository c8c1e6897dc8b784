import { describe, expect, it } from 'vitest'
import { type Journal, journalBytes } from '../../../src/migration/journal/journal.ts'
import { AFTER_SLOTS } from '../../../src/migration/journal/record-slots.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { PAGE_BLOCKS, SLICE_BLOCKS } from '../../../src/storage/block-digests.ts'
import { DIGEST_BYTES } from '../../../src/storage/block-hasher.ts'
import { BLOCK, content, hasher, knownBlocks, open, SIZE } from './small-journal.ts'

/** Blocks of a page one after the other. */
const ofPage = (page: number) => Array.from({ length: PAGE_BLOCKS }, (_, block) => page * PAGE_BLOCKS + block)

/** A place of which records that were not flushed can be lost, while the slices written after them are kept. */
class ForgetfulPlace extends MemoryStorage {
  readonly #records = new Uint8Array(AFTER_SLOTS)

  constructor() {
    super(journalBytes(SIZE, BLOCK))
  }

  override async flush(): Promise<void> {
    this.readAtSync(this.#records, 0)
  }

  loseRecords(): void {
    this.writeAtSync(this.#records, 0)
  }
}

/** Of the last life nothing but the slices of a page is there: told several times, so that they lie in each of their places, with higher stamps than any record knows. */
async function lostRecords(before: (journal: Journal) => Promise<void>, page: number): Promise<ForgetfulPlace> {
  const place = new ForgetfulPlace()
  const journal = await open(place, 'this')
  await before(journal)
  await journal.checkpoint({ flush: async () => {} })
  for (let value = 1; value < 8; value++) {
    for (const block of ofPage(page)) journal.digests.note(block, content(value))
    await journal.checkpoint()
  }
  place.loseRecords()
  return place
}

describe.each([
  ['were killed before their record was written', 'this'],
  ['lost their record with the power', 'next'],
])('slices of those who %s', (_, bootId) => {
  it('are not believed once their page is told again', async () => {
    const place = await lostRecords(async (journal) => journal.digests.note(PAGE_BLOCKS, content(9)), 0)
    const journal = await open(place, bootId)
    expect(knownBlocks(journal)).toEqual([PAGE_BLOCKS])
    // What is known of no block of it was overwritten without being forgotten.
    journal.digests.note(SLICE_BLOCKS, content(20))
    await journal.checkpoint()
    const again = await open(place, bootId)
    expect(knownBlocks(again)).toEqual([SLICE_BLOCKS, PAGE_BLOCKS])
    expect(again.digests.digestAt(SLICE_BLOCKS)).toEqual(hasher.hash(content(20)))
  })

  it('are not believed instead of zeroes that come to be something else', async () => {
    const place = await lostRecords(async (journal) => journal.digests.noteZero(PAGE_BLOCKS, PAGE_BLOCKS), 1)
    const journal = await open(place, bootId)
    expect(knownBlocks(journal)).toEqual(ofPage(1))
    await journal.forget(PAGE_BLOCKS, 1)
    const again = await open(place, bootId)
    expect(knownBlocks(again)).toEqual(ofPage(1).slice(1))
    expect(again.digests.digestAt(PAGE_BLOCKS + 1)).toEqual(new Uint8Array(DIGEST_BYTES))
  })

  it('are not believed by whoever is killed before anything is told again', async () => {
    const place = await lostRecords(async (journal) => journal.digests.note(PAGE_BLOCKS, content(9)), 0)
    for (let life = 0; life < 3; life++) {
      const journal = await open(place, bootId)
      // Fewer than in the life before, so that its slices have the higher stamps.
      for (let times = 3 - life; times > 0; times--) {
        journal.digests.note(0, content(30 + 10 * life + times))
        await journal.checkpoint()
      }
      if (life < 2) place.loseRecords()
    }
    const last = await open(place, bootId)
    expect(knownBlocks(last)).toEqual([0, PAGE_BLOCKS])
    expect(last.digests.digestAt(0)).toEqual(hasher.hash(content(51)))
  })
})
