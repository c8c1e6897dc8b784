import { DATABASE_START, SMALLEST_JOURNAL } from './limits.ts'

/** What decides where a journal begins. */
export interface JournalNeeds {
  readonly diskBytes: number
  readonly databaseBytes: number
  /** 0 where it is not known. */
  readonly pageSize: number
}

/** Bytes of a page's record besides the page: number and checksum. */
const RECORD_HEAD = 8

/** Head of a journal, one page's record where a savepoint begins, and room for what comes behind the pages. */
const SPARE = 65_536

/**
 * Where the journal of the next transaction begins. A page is journaled once, so a journal is bounded by the database as it is now; it lies at the end
 * of the disk with room for that, rounded up to a power of two, so that it begins at the same place until the database has doubled. Where that would
 * leave the database less than half of what is free, both get half of it.
 */
export function journalStart({ diskBytes, databaseBytes, pageSize }: JournalNeeds): number {
  const pages = Math.ceil(databaseBytes / Math.max(pageSize, 512))
  const bound = databaseBytes + pages * RECORD_HEAD + SPARE
  let room = SMALLEST_JOURNAL
  while (room < bound) room *= 2
  const free = diskBytes - DATABASE_START - databaseBytes
  const length = Math.min(room, Math.max(0, Math.floor(free / 2)))
  return diskBytes - Math.floor(length / 4096) * 4096
}
