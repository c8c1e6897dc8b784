import { type DiskJournal, MemoryJournal } from '../../src/devices/disk-journal.ts'
import { errorCode } from '../../src/errors/storage-error.ts'
import { type Journal, journalBytes, openJournal, readOwnership } from '../../src/migration/journal/journal.ts'
import { isUnderWay, type Ownership } from '../../src/migration/journal/ownership.ts'
import { createWriteIntents, type WriteIntents } from '../../src/migration/journal/write-intents.ts'
import { IndexedDbStorage } from '../../src/sources/indexeddb.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { OpfsStorage } from '../../src/sources/opfs.ts'
import { BlockDigests } from '../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import type { StorageKind } from '../mover/settings.ts'

/** Which end of a journey a disk is at; two tabs of one browser have one each. */
export type End = 'departure' | 'arrival'

/** Bytes, and bytes of a block. */
export interface Geometry {
  readonly size: number
  readonly blockSize: number
}

/** A disk and what is remembered of it: in memory as long as the page lives, else in a database beside it. */
export interface TravelDisk {
  readonly disk: StorageProvider
  readonly journal: DiskJournal
  /** To go before writes to a disk whose journal outlives the page. */
  readonly intents: WriteIntents | undefined
  /** Closes both. */
  close(): Promise<void>
}

/** What an earlier page left, as its journal says. */
export interface Finding extends Geometry {
  readonly state: Ownership['state']
  readonly isUnderWay: boolean
  readonly forced: boolean
  /** How much of the disk is known to be at both sides, 0 to 1. */
  readonly share: number
}

const STORES = { indexeddb: IndexedDbStorage, opfs: OpfsStorage } as const

/** A page knows of no boots; with a constant, what was written before a reload or a crash of the browser counts. */
const BOOT = 'page'

/** Makes a fresh disk, all zeroes, in place of one that an earlier journey left. */
export async function createDisk(kind: StorageKind, end: End, geometry: Geometry): Promise<TravelDisk> {
  await deleteDisk(end)
  if (kind !== 'memory') return beside(await STORES[kind].open(diskName(end), { size: geometry.size }), end, geometry)
  const disk = new MemoryStorage(geometry.size)
  const digests = new BlockDigests(geometry.size, geometry.blockSize, await createBlockHasher())
  return { disk, journal: new MemoryJournal(digests), intents: undefined, close: () => disk.close() }
}

/** Opens the disk that an earlier page left. @throws StorageError `NOT_FOUND`, `LOCKED` while another tab has it */
export async function reopenDisk(
  kind: Exclude<StorageKind, 'memory'>,
  end: End,
  geometry: Geometry,
): Promise<TravelDisk> {
  return beside(await STORES[kind].open(diskName(end)), end, geometry)
}

/** Looks at what an earlier page left; undefined where there is nothing that was ever on its way. @throws StorageError `LOCKED` while another tab has it */
export async function surveyEnd(end: End): Promise<Finding | undefined> {
  const place = await IndexedDbStorage.open(journalName(end)).catch((error: unknown) => {
    if (errorCode(error) === 'NOT_FOUND') return undefined
    throw error
  })
  if (!place) return undefined
  const hasher = await createBlockHasher()
  const ownership = await readOwnership(place, hasher)
  if (!ownership) return place.close().then(() => undefined)
  const { size, blockSize, state } = ownership
  const journal = await openJournal(place, { size, blockSize, hasher, bootId: BOOT })
  const share = journal.digests.knownBlocks / journal.digests.blockCount
  await journal.close()
  const forced = ownership.forced === true
  return { size, blockSize, state, forced, share, isUnderWay: isUnderWay(ownership) }
}

/** Opens what is remembered of a disk, without the disk. */
export async function openJournalOf(end: End, { size, blockSize }: Geometry): Promise<Journal> {
  const place = await IndexedDbStorage.open(journalName(end), { size: journalBytes(size, blockSize) })
  return openJournal(place, { size, blockSize, hasher: await createBlockHasher(), bootId: BOOT })
}

/** Deletes a disk wherever it may lie; to have none is fine, and so is a browser that lacks a storage. */
export async function deleteDisk(end: End): Promise<void> {
  // What is remembered first: beside another disk it would tell lies.
  await IndexedDbStorage.delete(journalName(end))
  for (const store of Object.values(STORES)) {
    try {
      await store.delete(diskName(end))
    } catch (error) {
      const code = errorCode(error)
      if (code !== 'NOT_FOUND' && code !== 'NOT_SUPPORTED') throw error
    }
  }
}

async function beside(disk: StorageProvider, end: End, geometry: Geometry): Promise<TravelDisk> {
  try {
    const journal = await openJournalOf(end, geometry)
    const close = async () => {
      await disk.close()
      await journal.close()
    }
    return { disk, journal, intents: createWriteIntents(journal), close }
  } catch (error) {
    await disk.close()
    throw error
  }
}

function diskName(end: End): string {
  return `blockferry-demo-${end}`
}

function journalName(end: End): string {
  return `${diskName(end)}.ferry`
}
