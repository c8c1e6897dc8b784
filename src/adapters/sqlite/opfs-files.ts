import { StorageError } from '../../errors/storage-error.ts'
import { type DatabaseBytes, piecesOf } from './database-bytes.ts'
import { BESIDE, checkFinished } from './unfinished.ts'

/** Writes a file at places; as much of a sync access handle as is needed. */
export interface WritableFile {
  write(data: Uint8Array, options: { at: number }): number
  truncate(size: number): void
  flush(): void
  close(): void
}

/**
 * A database that lies in OPFS as a plain file, as other file systems of wa-sqlite, DuckDB and many programs keep it. Nobody may have it open.
 * @throws StorageError `NOT_FOUND`; `BUSY` when a part of it is in a journal or a write-ahead log beside it
 */
export async function* readOpfsFile(path: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { folder, name } = await find(path, false)
  await checkFinished(name, async (beside) => {
    const handle = await unlessMissing(folder.getFileHandle(beside))
    return beginOf(await handle?.getFile())
  })
  const file = await folder.getFileHandle(name).catch((cause: unknown) => {
    throw new StorageError('NOT_FOUND', undefined, { cause, context: { path } })
  })
  yield* piecesOf(await file.getFile())
}

/** Writes a database as a plain file of OPFS, over what is there, of which nothing is left. Only in a dedicated worker. */
export async function writeOpfsFile(path: string, bytes: DatabaseBytes): Promise<void> {
  const { folder, name } = await find(path, true)
  const file = await openForWriting(await folder.getFileHandle(name, { create: true }))
  try {
    // First, and what lay beside it before anything is written: SQLite would play that back into the new one, and discards it beside an empty one.
    file.truncate(0)
    file.flush()
    for (const ending of BESIDE) await unlessMissing(folder.removeEntry(name + ending))
    await writeAll(file, bytes, 0)
  } finally {
    file.close()
  }
}

/** The first byte of a file from an offset on, if there is one. */
export async function beginOf(file: Blob | undefined, offset = 0): Promise<Uint8Array> {
  return new Uint8Array((await file?.slice(offset, offset + 1).arrayBuffer()) ?? [])
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
    writeWhole(file, piece, at)
    at += piece.length
  }
  file.truncate(at)
  file.flush()
}

/** @throws StorageError `SHORT_WRITE` */
export function writeWhole(file: WritableFile, data: Uint8Array, at: number): void {
  const got = file.write(data, { at })
  if (got === data.length) return
  throw new StorageError('SHORT_WRITE', undefined, { context: { offset: at, expected: data.length, got } })
}

/** Undefined where there is no such file. */
async function unlessMissing<Value>(finding: Promise<Value>): Promise<Value | undefined> {
  try {
    return await finding
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotFoundError') return undefined
    throw error
  }
}

async function find(path: string, create: boolean): Promise<{ folder: FileSystemDirectoryHandle; name: string }> {
  const parts = path.split('/').filter((part) => part !== '')
  const name = parts.pop() ?? ''
  return { folder: await opfsFolder(parts.join('/'), { create }), name }
}
