import { expect, test } from 'vitest'
import { readPages } from '../../src/devices/read-pages.ts'
import { settleRest, WRITTEN_HERE } from '../../src/devices/settle-rest.ts'
import { journalBytes } from '../../src/migration/journal/journal.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { BlockDigests } from '../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import * as small from '../migration/journal/small-journal.ts'

const BLOCK = 512
const SIZE = 40 * BLOCK

test('what has arrived since the hand-over must be what the source had, but for blocks that were written here', async () => {
  const hasher = await createBlockHasher()
  const theirs = new BlockDigests(SIZE, BLOCK, hasher)
  const ours = new BlockDigests(SIZE, BLOCK, hasher)
  for (const digests of [theirs, ours]) digests.note(0, new Uint8Array(SIZE).fill(3))
  const ask = async (first: number, count: number) => readPages(theirs, { level: 'leaves', first, count })
  ours.noteDigests(7, WRITTEN_HERE)
  await settleRest(ours, theirs.root()!, ask)
  ours.note(8, new Uint8Array(BLOCK).fill(4))
  await expect(settleRest(ours, theirs.root()!, ask)).rejects.toMatchObject({ code: 'VERIFY_FAILED' })
})

test('what was written here and flushed stays so, whenever its digest as of the hand-over is told', async () => {
  const theirs = new BlockDigests(small.SIZE, small.BLOCK, small.hasher)
  const all = new Uint8Array(small.SIZE).fill(3)
  theirs.note(0, all)
  const ask = async (first: number, count: number) => readPages(theirs, { level: 'leaves', first, count })
  const place = new MemoryStorage(journalBytes(small.SIZE, small.BLOCK))
  const journal = await small.open(place, 'this')
  journal.digests.note(0, all)
  journal.digests.noteDigests(7, WRITTEN_HERE)
  await journal.checkpoint({ flush: () => settleRest(journal.digests, theirs.root()!, ask) })
  expect(small.knownBlocks(await small.open(place, 'next'))).toContain(7)
})
