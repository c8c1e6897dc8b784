import { StorageError } from '../../errors/storage-error.ts'
import { type DatabaseBytes, piecesOf } from './database-bytes.ts'

/** Writes a file at places; as much of a sync access handle as is needed. */
export interface WritableFile {
  write(data: Uint8Array, options: { at: number }): number
  truncate(size: number): void
  flush(): void
  close(): void
}

/**
 * A database that lies in OPFS as a plain file, as other file systems of wa-sqlite, DuckDB and many programs keep it. Nobody may have it open.
 * @throws StorageError `NOT_FOUND`; `BUSY` when a journal beside it says that a transaction is to be undone first
 */
export async function* readOpfsFile(path: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { folder, name } = await find(path, false)
  const journal = await folder.getFileHandle(`${name}-journal`).then(
    (handle) => handle.getFile(),
    () => undefined,
  )
  if (journal && journal.size > 0) throw hotJournal(path)
  const file = await folder.getFileHandle(name).catch((cause: unknown) => {
    throw new StorageError('NOT_FOUND', undefined, { cause, context: { path } })
  })
  yield* piecesOf(await file.getFile())
}

/** Writes a database as a plain file of OPFS, over what is there. Only in a dedicated worker. */
export async function writeOpfsFile(path: string, bytes: DatabaseBytes): Promise<void> {
  const { folder, name } = await find(path, true)
  const file = await openForWriting(await folder.getFileHandle(name, { create: true }))
  try {
    await writeAll(file, bytes, 0)
  } finally {
    file.close()
  }
}

/** What is said of a database whose journal must be played back first. */
export function hotJournal(path: string): StorageError {
  return new StorageError('BUSY', 'A transaction is to be undone first: open the database once with its own program.', {
    context: { path },
  })
}

/** A folder of OPFS. @throws StorageError `NOT_FOUND` */
export async function opfsFolder(path: string, options: { create: boolean }): Promise<FileSystemDirectoryHandle> {
  let folder = await navigator.storage.getDirectory()
  for (const part of path.split('/').filter((name) => name !== '')) {
    folder = await folder.getDirectoryHandle(part, options).catch((cause: unknown) => {
      throw new StorageError('NOT_FOUND', undefined, { cause, context: { path } })
    })
  }
  return folder
}

/** @throws StorageError `NOT_SUPPORTED` outside of dedicated workers, `LOCKED` when somebody has it open */
export async function openForWriting(handle: FileSystemFileHandle): Promise<WritableFile> {
  const { createSyncAccessHandle } = handle as { createSyncAccessHandle?: () => Promise<WritableFile> }
  if (!createSyncAccessHandle) throw new StorageError('NOT_SUPPORTED', 'Files are written in a dedicated worker only.')
  try {
    return await createSyncAccessHandle.call(handle)
  } catch (cause) {
    throw new StorageError('LOCKED', undefined, { cause, context: { name: handle.name } })
  }
}

/** Writes all of a database from an offset on, cuts the file behind it and makes it durable. @throws StorageError `SHORT_WRITE` */
export async function writeAll(file: WritableFile, bytes: DatabaseBytes, start: number): Promise<void> {
  let at = start
  for await (const piece of bytes) {
    const count = file.write(piece, { at })
    if (count !== piece.length) {
      throw new StorageError('SHORT_WRITE', undefined, { context: { offset: at, expected: piece.length, got: count } })
    }
    at += piece.length
  }
  file.truncate(at)
  file.flush()
}

async function find(path: string, create: boolean): Promise<{ folder: FileSystemDirectoryHandle; name: string }> {
  const parts = path.split('/').filter((part) => part !== '')
  const name = parts.pop() ?? ''
  return { folder: await opfsFolder(parts.join('/'), { create }), name }
}
