import type { Stats } from 'node:fs'
import { stat, truncate } from 'node:fs/promises'
import { StorageError } from '../errors/storage-error.ts'
import { FileStorage } from '../sources/file.node.ts'
import { MemoryStorage } from '../sources/memory.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { addressText, type DiskAddress } from './disk-address.ts'

/** Above this a disk in memory keeps only the pages that were written. */
const DENSE_MEMORY_BYTES = 2 ** 30

/** Opens what a command reads; a file is opened for reading only. */
export async function openSource(address: DiskAddress): Promise<StorageProvider> {
  if (address.kind === 'file') return FileStorage.open(address.path, { readOnly: true })
  if (address.size === undefined)
    throw new StorageError('SIZE_MISMATCH', 'a source in memory needs a size: memory:64MiB')
  return memoryDisk(address.size)
}

/** How a destination that exists is treated. */
export interface DestinationOptions {
  /** Its content is kept, to be compared. */
  readonly keep: boolean
  /** It may be overwritten, or with `keep` given another size. */
  readonly force: boolean
}

/** An open destination; `fresh` when it reads as zero everywhere. */
export interface Destination {
  readonly disk: StorageProvider
  readonly fresh: boolean
}

/**
 * Opens or makes what a command writes.
 * @throws StorageError `SIZE_MISMATCH`; `OPEN_FAILED` when it exists and may not be overwritten
 */
export async function openDestination(
  address: DiskAddress,
  size: number,
  options: DestinationOptions,
): Promise<Destination> {
  if (address.kind === 'memory') {
    if (address.size !== undefined && address.size !== size) throw sizeMismatch(address, address.size, size, '')
    return { disk: memoryDisk(size), fresh: true }
  }
  const { path } = address
  const existing = await fileStatus(path)
  if (existing && !options.keep && !options.force) {
    const advice = 'write over it with --force, or only what differs with --changed'
    throw new StorageError('OPEN_FAILED', `"${path}" exists; ${advice}`, { context: { path } })
  }
  if (existing?.isBlockDevice()) {
    const disk = await FileStorage.open(path)
    if (disk.size === size) return { disk, fresh: false }
    await disk.close()
    throw sizeMismatch(address, disk.size, size, '')
  }
  if (existing && options.keep && existing.size !== size && !options.force) {
    throw sizeMismatch(address, existing.size, size, '; --force gives it that size')
  }
  if (existing && options.keep && existing.size > size) await truncate(path, size)
  const disk = await FileStorage.open(path, { create: size, truncate: !options.keep })
  return { disk, fresh: existing === undefined || !options.keep }
}

/** Refuses to copy a disk onto itself, also by way of a link. */
export async function refuseSameFile(from: DiskAddress, to: DiskAddress): Promise<void> {
  if (from.kind !== 'file' || to.kind !== 'file') return
  const [first, second] = await Promise.all([fileStatus(from.path), fileStatus(to.path)])
  if (!first || !second) return
  const isSameDevice = first.isBlockDevice() && second.isBlockDevice() && first.rdev === second.rdev
  if (!isSameDevice && (first.dev !== second.dev || first.ino !== second.ino)) return
  throw new StorageError('OPEN_FAILED', `"${from.path}" and "${to.path}" are the same disk`)
}

/** A disk in memory, dense or sparse by its size. */
export function memoryDisk(size: number): MemoryStorage {
  return new MemoryStorage(size, { sparse: size > DENSE_MEMORY_BYTES })
}

async function fileStatus(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch {
    // Not there, or not to be looked at: opening it says which.
    return undefined
  }
}

function sizeMismatch(address: DiskAddress, got: number, expected: number, advice: string): StorageError {
  const message = `"${addressText(address)}" has ${got} bytes and the source ${expected}${advice}`
  return new StorageError('SIZE_MISMATCH', message, { context: { got, expected } })
}

/** The same failure, and that the destination must not be used. */
export function incomplete(error: unknown, path: string, advice?: string): unknown {
  return remarked(error, `"${path}" is incomplete${advice === undefined ? '' : `: ${advice}`}`)
}

/** The same failure, and what follows from it. */
export function remarked(error: unknown, remark: string): unknown {
  if (!(error instanceof StorageError)) return error
  const message = error.code === 'ABORTED' ? 'cancelled' : error.message.replace(/\.$/, '')
  return new StorageError(error.code, `${message}; ${remark}`, { cause: error, context: error.context })
}
