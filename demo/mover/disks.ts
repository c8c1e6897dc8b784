import { errorCode, StorageError } from '../../src/errors/storage-error.ts'
import { IndexedDbStorage } from '../../src/sources/indexeddb.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { OpfsStorage } from '../../src/sources/opfs.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { formatBytes } from '../format.ts'
import type { Settings, StorageKind } from './settings.ts'

/** Which side of the move a disk is. */
export type Side = 'source' | 'destination'

const SIDES: readonly Side[] = ['source', 'destination']

/** A storage that outlives the page. */
type StoredKind = Exclude<StorageKind, 'memory'>

const STORES = { indexeddb: IndexedDbStorage, opfs: OpfsStorage } as const satisfies Record<StoredKind, unknown>

/** Opens a side's disk; one that does not exist yet is made, all zeroes. */
export async function openDisk(kind: StorageKind, side: Side, size: number): Promise<StorageProvider> {
  return kind === 'memory' ? new MemoryStorage(size) : STORES[kind].open(diskName(side), { size })
}

/** Deletes a side's disk wherever it may lie; to have none is fine, and so is a browser that lacks a storage. */
export async function deleteDisk(side: Side): Promise<void> {
  for (const store of Object.values(STORES)) {
    try {
      await store.delete(diskName(side))
    } catch (error) {
      const code = errorCode(error)
      if (code !== 'NOT_FOUND' && code !== 'NOT_SUPPORTED') throw error
    }
  }
}

/** Deletes both. */
export async function deleteDisks(): Promise<void> {
  for (const side of SIDES) await deleteDisk(side)
}

/**
 * Refuses a run that the browser has no room for before anything is written, rather than in the middle.
 * @throws StorageError `QUOTA_EXCEEDED`
 */
export async function checkSpace(settings: Settings, sides: readonly Side[]): Promise<void> {
  const needed = sides.filter((side) => settings[side] !== 'memory').length * settings.size
  const { quota, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {}
  if (needed === 0 || quota === undefined || needed <= quota - usage) return
  throw new StorageError(
    'QUOTA_EXCEEDED',
    `The disks of this run need ${formatBytes(needed)}, and ${formatBytes(quota - usage)} are free for this page.`,
    { context: { needed, quota, usage } },
  )
}

function diskName(side: Side): string {
  return `blockferry-demo-${side}`
}
