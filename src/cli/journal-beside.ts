import { readFile, rm, stat } from 'node:fs/promises'
import { errorCode, StorageError } from '../errors/storage-error.ts'
import { type Journal, journalBytes, openJournal, readOwnership } from '../migration/journal/journal.ts'
import type { Ownership } from '../migration/journal/ownership.ts'
import { FileStorage } from '../sources/file.node.ts'
import { createBlockHasher } from '../storage/block-hasher.ts'
import { type DiskStamp, fileState, readStamp, STAMP_BYTES, writeStamp } from './disk-stamp.ts'

/** Where the journal of a disk lies. */
export function journalPath(disk: string): string {
  return `${disk}.ferry`
}

/** What the journal of a disk says, without opening it for writing. */
export interface DiskRecord extends DiskStamp {
  readonly ownership: Ownership
}

/** What is recorded of a disk; undefined where it was never moved. @throws StorageError `CORRUPT` */
export async function readRecord(disk: string): Promise<DiskRecord | undefined> {
  let place: FileStorage
  try {
    place = await FileStorage.open(journalPath(disk), { readOnly: true })
  } catch (error) {
    if (errorCode(error) === 'NOT_FOUND') return undefined
    throw error
  }
  try {
    const ownership = await readOwnership(place, await createBlockHasher())
    return ownership && { ownership, ...(await readStamp(place)) }
  } finally {
    await place.close()
  }
}

/** Forgets everything about a disk, whose it is included. */
export async function removeRecord(disk: string): Promise<void> {
  await rm(journalPath(disk), { force: true })
}

/** The journal that lies beside a disk in a file, and whether it can be believed. */
export class JournalBeside {
  readonly journal: Journal
  /** Somebody else has written to the disk since this program closed it: nothing is known of its blocks any more. */
  readonly wasTouched: boolean
  readonly #disk: string
  readonly #place: FileStorage
  #stamp: DiskStamp

  private constructor(disk: string, place: FileStorage, journal: Journal, stamp: DiskStamp, wasTouched: boolean) {
    this.#disk = disk
    this.#place = place
    this.journal = journal
    this.#stamp = stamp
    this.wasTouched = wasTouched
  }

  /** Opens the journal of a disk that is there, or begins one. @throws StorageError `SIZE_MISMATCH`, `CORRUPT`, `OPEN_FAILED` */
  static async open(disk: string, geometry: { size: number; blockSize: number }): Promise<JournalBeside> {
    const place = await openPlace(disk, geometry)
    try {
      const stamp = await readStamp(place)
      const { size, blockSize } = geometry
      const boot = await bootId()
      const hasher = await createBlockHasher()
      const journal = await openJournal(place, {
        size,
        blockSize,
        hasher,
        ...(boot === undefined ? {} : { bootId: boot }),
      })
      try {
        const wasTouched = stamp.closed !== undefined && stamp.closed !== (await fileState(disk))
        if (wasTouched) await journal.clear()
        const beside = new JournalBeside(disk, place, journal, stamp, wasTouched)
        // From here on the disk changes, and the journal knows how.
        await beside.#note({ ...(stamp.peer === undefined ? {} : { peer: stamp.peer }) })
        return beside
      } catch (error) {
        journal.free()
        throw error
      }
    } catch (error) {
      await place.close()
      throw error
    }
  }

  /** Whom the disk moves with, for people. */
  async meets(peer: string): Promise<void> {
    if (this.#stamp.peer !== peer) await this.#note({ ...this.#stamp, peer })
  }

  /** After the disk itself was closed: what is known counts as long as nobody else writes to it. `checkpoint` was the last word. */
  async close(): Promise<void> {
    try {
      const closed = await fileState(this.#disk)
      await this.#note({ ...this.#stamp, closed: closed ?? 'a device' })
    } finally {
      await this.journal.close()
    }
  }

  async #note(stamp: DiskStamp): Promise<void> {
    this.#stamp = stamp
    await writeStamp(this.#place, stamp)
  }
}

async function openPlace(disk: string, { size, blockSize }: { size: number; blockSize: number }): Promise<FileStorage> {
  const path = journalPath(disk)
  const create = journalBytes(size, blockSize) + STAMP_BYTES
  const before = await stat(path).catch(() => undefined)
  if (before && before.size !== create) {
    const record = await readRecord(disk)
    if (record) {
      const { size: bytes, blockSize: block } = record.ownership
      const was = `of ${bytes} bytes in blocks of ${block}`
      throw new StorageError('SIZE_MISMATCH', `"${path}" is the journal of a disk ${was}, not ${size} in ${blockSize}`)
    }
    // Begun for another geometry, and nothing was ever promised.
    await rm(path)
  }
  // Two processes that move one disk would each believe their own journal.
  return FileStorage.open(path, { create, exclusive: true })
}

/** The name of this boot, where the system has one. */
async function bootId(): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined
  const text = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
  return text.trim() || undefined
}
