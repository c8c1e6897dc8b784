import { errorCode } from '../../src/errors/storage-error.ts'
import { IndexedDbStorage } from '../../src/sources/indexeddb.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { OpfsStorage } from '../../src/sources/opfs.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import type { StorageKind } from '../mover/settings.ts'

/** Which end of a journey a disk is at; two tabs of one browser have one each. */
export type End = 'departure' | 'arrival'

const STORES = { indexeddb: IndexedDbStorage, opfs: OpfsStorage } as const

/** Makes a fresh disk, all zeroes, in place of one that an earlier journey left. */
export async function createDisk(kind: StorageKind, end: End, size: number): Promise<StorageProvider> {
  await deleteDisk(end)
  return kind === 'memory' ? new MemoryStorage(size) : STORES[kind].open(diskName(end), { size })
}

/** Deletes a disk wherever it may lie; to have none is fine, and so is a browser that lacks a storage. */
export async function deleteDisk(end: End): Promise<void> {
  for (const store of Object.values(STORES)) {
    try {
      await store.delete(diskName(end))
    } catch (error) {
      const code = errorCode(error)
      if (code !== 'NOT_FOUND' && code !== 'NOT_SUPPORTED') throw error
    }
  }
}

function diskName(end: End): string {
  return `blockferry-demo-${end}`
}
