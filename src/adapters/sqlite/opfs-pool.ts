import { StorageError } from '../../errors/storage-error.ts'
import { type DatabaseBytes, piecesOf } from './database-bytes.ts'
import { beginOf, openForWriting, opfsFolder, type WritableFile, writeAll, writeWhole } from './opfs-files.ts'
import { type PoolKind, poolHead, readPoolHead } from './pool-head.ts'
import { BESIDE, checkFinished } from './unfinished.ts'

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
 * @throws StorageError `NOT_FOUND`; `BUSY` when a part of it is in a journal or a write-ahead log in the pool
 */
export async function* readOpfsPool(pool: OpfsPool, path: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const files = await filesOf(pool)
  const handle = files.get(path)
  if (!handle) throw new StorageError('NOT_FOUND', `There is no ${path} in the pool.`, { context: { path } })
  await checkFinished(path, async (beside) => beginOf(await files.get(beside)?.getFile(), CONTENT_AT))
  const file = await handle.getFile()
  yield* piecesOf(file.slice(CONTENT_AT))
}

/** Puts a database into a pool, over one of the same path, of which nothing is left, else as one more file of it. Only in a dedicated worker. */
export async function writeOpfsPool(pool: OpfsPool, path: string, bytes: DatabaseBytes): Promise<void> {
  const folder = await poolFolder(pool, true)
  const files = await filesOf(pool)
  const head = poolHead(pool.kind, path)
  const handle = files.get(path) ?? (await folder.getFileHandle(crypto.randomUUID(), { create: true }))
  const file = await openForWriting(handle)
  try {
    // Nobody's until it is whole. What lay beside the one before would be played back into the new one.
    free(file, pool.kind)
    for (const ending of BESIDE) {
      const beside = files.get(path + ending)
      if (beside) await freeFile(beside, pool.kind)
    }
    await writeAll(file, bytes, CONTENT_AT)
    writeWhole(file, head, 0)
    file.flush()
  } finally {
    file.close()
  }
}

async function freeFile(handle: FileSystemFileHandle, kind: PoolKind): Promise<void> {
  const file = await openForWriting(handle)
  try {
    free(file, kind)
  } finally {
    file.close()
  }
}

/** A file without a path is a free one of the pool. */
function free(file: WritableFile, kind: PoolKind): void {
  writeWhole(file, poolHead(kind, ''), 0)
  file.truncate(CONTENT_AT)
  file.flush()
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
