import { StorageError } from '../../errors/storage-error.ts'
import { type DatabaseBytes, piecesOf } from './database-bytes.ts'
import { hotJournal, openForWriting, opfsFolder, writeAll } from './opfs-files.ts'
import { type PoolKind, poolHead, readPoolHead } from './pool-head.ts'

/** Where a pool lies: its folder and who made it. */
export interface OpfsPool {
  /**
   * `official`: `opfs-sahpool` of the official build, whose files lie in `.opaque` of the folder, by default `.opfs-sahpool`. `wa-sqlite`:
   * `AccessHandlePoolVFS`, whose files lie in the folder itself.
   */
  readonly kind: PoolKind
  readonly folder: string
}

/** Where the content of a file of a pool begins. */
const CONTENT_AT = 4096

/** Paths of the files in a pool. The pool must be closed or paused: its files are exclusive. */
export async function listOpfsPool(pool: OpfsPool): Promise<string[]> {
  return [...(await filesOf(pool)).keys()].sort()
}

/**
 * A database of a pool.
 * @throws StorageError `NOT_FOUND`; `BUSY` when a journal in the pool says that a transaction is to be undone first
 */
export async function* readOpfsPool(pool: OpfsPool, path: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const files = await filesOf(pool)
  const handle = files.get(path)
  if (!handle) throw new StorageError('NOT_FOUND', `There is no ${path} in the pool.`, { context: { path } })
  const journal = await files.get(`${path}-journal`)?.getFile()
  if (journal && journal.size > CONTENT_AT) throw hotJournal(path)
  const file = await handle.getFile()
  yield* piecesOf(file.slice(CONTENT_AT))
}

/** Puts a database into a pool, over one of the same path, else as one more file of it. Only in a dedicated worker. */
export async function writeOpfsPool(pool: OpfsPool, path: string, bytes: DatabaseBytes): Promise<void> {
  const folder = await poolFolder(pool, true)
  const handle = (await filesOf(pool)).get(path) ?? (await folder.getFileHandle(crypto.randomUUID(), { create: true }))
  const file = await openForWriting(handle)
  try {
    // Nobody's until it is whole: a file without a path is a free one of the pool.
    file.write(poolHead(pool.kind, ''), { at: 0 })
    file.flush()
    await writeAll(file, bytes, CONTENT_AT)
    file.write(poolHead(pool.kind, path), { at: 0 })
    file.flush()
  } finally {
    file.close()
  }
}

async function filesOf(pool: OpfsPool): Promise<Map<string, FileSystemFileHandle>> {
  const files = new Map<string, FileSystemFileHandle>()
  for await (const entry of (await poolFolder(pool, false)).values()) {
    if (entry.kind !== 'file') continue
    const file = await entry.getFile()
    const path = readPoolHead(pool.kind, new Uint8Array(await file.slice(0, CONTENT_AT).arrayBuffer()))
    if (path) files.set(path, entry)
  }
  return files
}

function poolFolder({ kind, folder }: OpfsPool, create: boolean): Promise<FileSystemDirectoryHandle> {
  return opfsFolder(kind === 'official' ? `${folder}/.opaque` : folder, { create })
}
