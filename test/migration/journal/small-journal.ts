import { type Journal, openJournal } from '../../../src/migration/journal/journal.ts'
import type { MemoryStorage } from '../../../src/sources/memory.ts'
import { PAGE_BLOCKS } from '../../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../../src/storage/block-hasher.ts'

export const hasher = await createBlockHasher()
export const BLOCK = 512
const BLOCKS = 2 * PAGE_BLOCKS
export const SIZE = BLOCKS * BLOCK

export const content = (value: number) => new Uint8Array(BLOCK).fill(value)

/** The journal of a disk of two pages. */
export const open = (place: MemoryStorage, bootId: string): Promise<Journal> =>
  openJournal(place, { size: SIZE, blockSize: BLOCK, hasher, bootId })

export const knownBlocks = ({ digests }: Journal) =>
  Array.from({ length: BLOCKS }, (_, block) => block).filter((block) => digests.isKnown(block))
