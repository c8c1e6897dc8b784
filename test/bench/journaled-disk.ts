import { rm } from 'node:fs/promises'
import { type Journal, journalBytes, openJournal } from '../../src/migration/journal/journal.ts'
import { createWriteIntents } from '../../src/migration/journal/write-intents.ts'
import { createDirtyTracker, type DirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { FileStorage } from '../../src/sources/file.node.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'

/** Begins a journal in a file, which is new each time. */
export async function newJournal(path: string, size: number, blockSize: number): Promise<Journal> {
  await rm(path, { force: true })
  const place = await FileStorage.open(path, { create: journalBytes(size, blockSize) })
  return openJournal(place, { size, blockSize, hasher: await createBlockHasher(), bootId: 'this' })
}

/** A tracked disk, whose writes the journal hears of before they begin. */
export function trackedDisk(disk: StorageProvider, blockSize: number, journal: Journal | undefined): DirtyTracker {
  return createDirtyTracker(disk, blockSize, journal && createWriteIntents(journal))
}
