import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import { errorName, platformError } from './platform-error.ts'

/** Folder of all disks in the origin's private file system. */
const FOLDER = 'blockferry'

/** Ends every file name, so that disks called `.` or `..` have one. */
const SUFFIX = '.disk'

/** Refuses a disk name that is not a text or empty; returns it. */
export function checkDiskName(name: string): string {
  if (typeof name !== 'string' || name === '') throw new InvalidArgumentError('name', 'a text that is not empty', name)
  return name
}

/** The file of a disk; made, empty, when `create` is set. @throws StorageError `NOT_FOUND`, `NOT_SUPPORTED`, `OPEN_FAILED` */
export async function diskFile(name: string, options: { create: boolean }): Promise<FileSystemFileHandle> {
  const folder = await openFolder(options)
  try {
    return await folder.getFileHandle(fileName(name), options)
  } catch (error) {
    throw fileError(error, 'OPEN_FAILED', name)
  }
}

/** Deletes the file of a disk; resolves also when there is none. @throws StorageError `LOCKED` while it is open */
export async function deleteDiskFile(name: string): Promise<void> {
  try {
    const folder = await openFolder({ create: false })
    await folder.removeEntry(fileName(name))
  } catch (error) {
    if (errorName(error) === 'NotFoundError' || (error instanceof StorageError && error.code === 'NOT_FOUND')) return
    throw fileError(error, 'WRITE_FAILED', name)
  }
}

/** Names of all disks, sorted; those whose creation was cut off are not among them. */
export async function listDiskFiles(): Promise<string[]> {
  const names: string[] = []
  try {
    const folder = await openFolder({ create: false })
    for await (const entry of folder.values()) {
      if (entry.kind !== 'file' || !entry.name.endsWith(SUFFIX)) continue
      if ((await entry.getFile()).size > 0) names.push(decodeURIComponent(entry.name.slice(0, -SUFFIX.length)))
    }
  } catch (error) {
    if (error instanceof StorageError && error.code === 'NOT_FOUND') return []
    throw platformError(error, 'READ_FAILED')
  }
  return names.sort()
}

/** Whether an error says that somebody else holds the file for the moment. */
export function isHeldElsewhere(error: unknown): boolean {
  // The lock of a closed, crashed or reloaded tab lingers (https://github.com/sqlite/sqlite-wasm/issues/79,
  // https://github.com/duckdb/duckdb-wasm/issues/2111, https://github.com/whatwg/fs/issues/17); Safari reports InvalidStateError
  // for a moment where nothing is wrong (https://github.com/bldrs-ai/Share/issues/1687).
  const name = errorName(error)
  return name === 'NoModificationAllowedError' || name === 'InvalidStateError'
}

/** Gives an error of a file operation one of our codes. */
export function fileError(
  error: unknown,
  code: 'OPEN_FAILED' | 'READ_FAILED' | 'WRITE_FAILED' | 'FLUSH_FAILED',
  name: string,
): unknown {
  if (errorName(error) === 'NotFoundError')
    return new StorageError('NOT_FOUND', undefined, { cause: error, context: { name } })
  if (isHeldElsewhere(error)) return new StorageError('LOCKED', undefined, { cause: error, context: { name } })
  return platformError(error, code, { name })
}

async function openFolder(options: { create: boolean }): Promise<FileSystemDirectoryHandle> {
  const storage: StorageManager | undefined = globalThis.navigator?.storage
  if (typeof storage?.getDirectory !== 'function') {
    throw new StorageError('NOT_SUPPORTED', 'There is no origin private file system here (it needs a secure context).')
  }
  let root: FileSystemDirectoryHandle
  try {
    root = await storage.getDirectory()
  } catch (error) {
    // Private windows of Firefox and Safari refuse here: https://github.com/livestorejs/livestore/issues/533,
    // https://github.com/mdn/content/issues/39859, https://github.com/rhashimoto/wa-sqlite/issues/237
    throw new StorageError(
      'NOT_SUPPORTED',
      'The browser refuses its private file system, perhaps in a private window.',
      {
        cause: error,
      },
    )
  }
  try {
    return await root.getDirectoryHandle(FOLDER, options)
  } catch (error) {
    throw fileError(error, 'OPEN_FAILED', FOLDER)
  }
}

function fileName(name: string): string {
  return encodeURIComponent(name) + SUFFIX
}
