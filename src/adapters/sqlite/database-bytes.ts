import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'
import { StorageError } from '../../errors/storage-error.ts'
import { COPY_BYTES } from './limits.ts'
import type { SqliteDisk } from './sqlite-disk.ts'

/** A database file piece by piece, from its beginning on. */
export type DatabaseBytes = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/** Every database begins so (https://www.sqlite.org/fileformat.html). */
const MAGIC = new TextEncoder().encode('SQLite format 3\0')

/** Where it says with which versions it is written and read: 2 is a write-ahead log. */
const VERSIONS_AT = 18

/**
 * Puts a database file on a disk that has none. It is there when this resolves, and not at all when everything stops before. One that was used with a
 * write-ahead log is used with a journal from here on; the log must have been written back.
 * @throws InvalidArgumentError for a disk that has a database, unless `overwrite` says that it is to be lost; StorageError `CORRUPT` for something that
 * is no database, `QUOTA_EXCEEDED`, and what the storage throws
 */
export async function importDatabase(
  disk: SqliteDisk,
  bytes: DatabaseBytes,
  options: { overwrite?: boolean } = {},
): Promise<void> {
  if (disk.databaseBytes && !options.overwrite) {
    throw new InvalidArgumentError('disk', 'a disk without a database', `${disk.databaseBytes} bytes`)
  }
  await disk.locks.pause()
  try {
    await disk.deleteJournal()
    await disk.deleteDatabase()
    disk.createDatabase()
    let offset = 0
    for await (const piece of bytes) {
      await disk.writeDatabase(offset === 0 ? withoutLog(piece) : piece, offset)
      offset += piece.length
    }
    await disk.sync()
  } catch (error) {
    await disk.deleteDatabase()
    throw error
  } finally {
    disk.locks.resume()
  }
}

/**
 * The database of a disk as a file, as it is between two transactions; writers wait until the last piece was taken. Pieces are the taker's.
 * @throws StorageError `NOT_FOUND` without a database, `BUSY` when a transaction that was cut off is still to be undone: open it with SQLite first
 */
export async function* exportDatabase(disk: SqliteDisk): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  await disk.locks.pause()
  try {
    const size = disk.databaseBytes
    if (size === undefined) throw new StorageError('NOT_FOUND', 'There is no database on the disk.')
    if (disk.journalBytes)
      throw new StorageError('BUSY', 'A transaction is to be undone first: open the database once.')
    for (let offset = 0; offset < size; offset += COPY_BYTES) {
      const piece = new Uint8Array(Math.min(COPY_BYTES, size - offset))
      await disk.readDatabase(piece, offset)
      yield piece
    }
  } finally {
    disk.locks.resume()
  }
}

/** Refuses the beginning of anything else; a copy of it that says that there is no write-ahead log. */
function withoutLog(piece: Uint8Array): Uint8Array {
  if (piece.length < 100 || MAGIC.some((byte, index) => piece[index] !== byte)) {
    throw new StorageError('CORRUPT', 'This is no SQLite database.')
  }
  const copy = piece.slice()
  copy.set([1, 1], VERSIONS_AT)
  return copy
}

/** Bytes of a page, as the beginning of a database says. @throws StorageError `CORRUPT` */
export function pageSizeOf(head: Uint8Array): number {
  const stored = head[16]! * 256 + head[17]!
  if (stored === 1) return 65_536
  if (stored >= 512) return stored
  throw new StorageError('CORRUPT', 'This is no SQLite database.')
}

/** A file or blob in pieces. */
export async function* piecesOf(blob: Blob): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < blob.size; at += COPY_BYTES) {
    yield new Uint8Array(await blob.slice(at, at + COPY_BYTES).arrayBuffer())
  }
}
