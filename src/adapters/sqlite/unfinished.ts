import { StorageError } from '../../errors/storage-error.ts'

/** Endings of the names of files that SQLite keeps beside a database, and that belong to that very database (https://www.sqlite.org/tempfiles.html). */
export const BESIDE = ['-journal', '-wal', '-shm'] as const

/**
 * Refuses a database of which a part is still in a file beside it: without that the rest is damaged.
 * @param begin how a file begins, by name: at least one byte, none where there is no such file or an empty one
 * @throws StorageError `BUSY`
 */
export async function checkFinished(path: string, begin: (name: string) => Promise<Uint8Array>): Promise<void> {
  const unfinished = (what: string) => new StorageError('BUSY', what, { context: { path } })
  // SQLite itself does not look further: `PRAGMA journal_mode=persist` leaves a journal whose head is zero.
  const [first] = await begin(`${path}-journal`)
  if (first) throw unfinished('A transaction is to be undone first: open the database once with its own program.')
  const log = await begin(`${path}-wal`)
  if (log.length === 0) return
  throw unfinished(
    'A part of the database is in its write-ahead log: open it with its own program, run `PRAGMA journal_mode=delete`, and close it.',
  )
}
