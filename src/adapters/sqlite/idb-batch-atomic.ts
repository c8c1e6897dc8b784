import { StorageError } from '../../errors/storage-error.ts'
import { type DatabaseBytes, pageSizeOf } from './database-bytes.ts'
import { COPY_BYTES } from './limits.ts'
import { BESIDE, checkFinished } from './unfinished.ts'

/** A file as `IDBBatchAtomicVFS` of wa-sqlite knows it. */
interface Metadata {
  readonly name: string
  readonly fileSize: number
  readonly version: number
}

/** A piece of it. Later versions are smaller, and so is the offset of a later piece: a look-up finds the latest first. */
interface Block {
  readonly path: string
  readonly offset: number
  readonly version: number
  readonly data: Uint8Array
}

/** Version of the schema of `IDBBatchAtomicVFS` since 1.0. */
const SCHEMA = 6

/**
 * A database that `IDBBatchAtomicVFS` keeps in the IndexedDB database `idbName` (by default the name that it was given). Nobody may be writing to it.
 * A transaction that was cut off is left out, as that file system would, unless it was too large for its page cache and has a journal.
 * @throws StorageError `NOT_FOUND`; `BUSY` when a part of it is in such a journal
 */
export async function* readIdbBatchAtomic(idbName: string, path: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const database = await openDatabase(idbName)
  try {
    if (!database.objectStoreNames.contains('metadata')) throw notFound(path)
    const metadata: Metadata | undefined = await settled(stores(database, 'readonly').metadata.get(path))
    if (!metadata) throw notFound(path)
    await checkFinished(path, (beside) => beginOf(database, beside))
    for (let start = 0; start < metadata.fileSize; start += COPY_BYTES) {
      const piece = new Uint8Array(Math.min(COPY_BYTES, metadata.fileSize - start))
      const range = IDBKeyRange.bound([path, -(start + piece.length - 1)], [path, -start, []])
      const blocks: Block[] = await settled(stores(database, 'readonly').blocks.getAll(range))
      const seen = new Set<number>()
      for (const { offset, version, data } of blocks) {
        // Of a transaction that has not ended.
        if (version < metadata.version || seen.has(offset)) continue
        seen.add(offset)
        const at = -offset - start
        piece.set(data.subarray(0, piece.length - at), at)
      }
      yield piece
    }
  } finally {
    database.close()
  }
}

/** Writes a database where `IDBBatchAtomicVFS` finds it, over one of the same path, of which nothing is left. */
export async function writeIdbBatchAtomic(idbName: string, path: string, bytes: DatabaseBytes): Promise<void> {
  const database = await openDatabase(idbName)
  try {
    await inTransaction(database, ({ blocks, metadata }) => {
      for (const name of [path, ...BESIDE.map((ending) => path + ending)]) {
        metadata.delete(name)
        blocks.delete(IDBKeyRange.bound([name], [name, []]))
      }
    })
    let fileSize = 0
    let pageSize = 0
    for await (const piece of bytes) {
      pageSize ||= pageSizeOf(piece)
      const start = fileSize
      await inTransaction(database, ({ blocks }) => {
        for (let at = 0; at < piece.length; at += pageSize) {
          const data = piece.slice(at, at + pageSize)
          blocks.put({ path, offset: -(start + at), version: 0, data } satisfies Block)
        }
      })
      fileSize += piece.length
    }
    // The file is there with this.
    await inTransaction(database, ({ metadata }) => {
      metadata.put({ name: path, fileSize, version: 0 } satisfies Metadata)
    })
  } finally {
    database.close()
  }
}

/** How a file begins; nothing where there is none. */
async function beginOf(database: IDBDatabase, path: string): Promise<Uint8Array> {
  const metadata: Metadata | undefined = await settled(stores(database, 'readonly').metadata.get(path))
  if (!metadata?.fileSize) return new Uint8Array(0)
  const range = IDBKeyRange.bound([path, 0], [path, 0, []])
  const [block]: Block[] = await settled(stores(database, 'readonly').blocks.getAll(range, 1))
  // What is said to be there and is not found is not known to be nothing.
  return block?.data.subarray(0, 1) ?? new Uint8Array([1])
}

function notFound(path: string): StorageError {
  return new StorageError('NOT_FOUND', undefined, { context: { path } })
}

interface Stores {
  readonly blocks: IDBObjectStore
  readonly metadata: IDBObjectStore
}

function openDatabase(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name, SCHEMA)
  request.onupgradeneeded = ({ oldVersion }) => {
    // One of an older schema is left as it is: only its own program may change it.
    if (oldVersion > 0) return request.transaction?.abort()
    request.result.createObjectStore('blocks', { keyPath: ['path', 'offset', 'version'] })
    request.result.createObjectStore('metadata', { keyPath: 'name' })
  }
  return settled(request)
}

function stores(database: IDBDatabase, mode: IDBTransactionMode): Stores {
  const transaction = database.transaction(['blocks', 'metadata'], mode)
  return { blocks: transaction.objectStore('blocks'), metadata: transaction.objectStore('metadata') }
}

function inTransaction(database: IDBDatabase, work: (stores: Stores) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(['blocks', 'metadata'], 'readwrite', { durability: 'strict' })
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(new StorageError('WRITE_FAILED', undefined, { cause: transaction.error }))
    work({ blocks: transaction.objectStore('blocks'), metadata: transaction.objectStore('metadata') })
  })
}

function settled<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(new StorageError('READ_FAILED', undefined, { cause: request.error }))
  })
}
