import { StorageError } from '../errors/storage-error.ts'
import { type Ownership, release } from '../migration/journal/ownership.ts'
import { AFTER_SLOTS, RecordSlots } from '../migration/journal/record-slots.ts'
import { createBlockHasher } from '../storage/block-hasher.ts'
import { digestText } from '../storage/hash-tree.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { type DiskJournal, idBytes } from './disk-journal.ts'
import { GROUP_DISKS } from './limits.ts'

/** Bytes of the place that a group's record needs. */
export const GROUP_RECORD_BYTES: number = AFTER_SLOTS

/** What is stored of one disk that is given away. */
export interface GivenDisk {
  /** 32 hexadecimal characters, as in its own journal. */
  readonly diskId: string
  readonly migrationId: string
  /** The root agreed, if nothing is missing. */
  readonly root: Uint8Array | undefined
}

const VERSION = 1
const ID_BYTES = 16
const ENTRY_BYTES = 3 * ID_BYTES + 1

/**
 * The one record that decides for all disks of a group whether they were given away, so that a crash between their own records leaves no half:
 * written when the destination has prepared every disk, before any disk's own record says `released`. Whoever opens the group again does what it says.
 *
 * ```
 *   | version u8 | count u8 | count × ( disk id 16 | migration id 16 | has root u8 | root 16 ) |
 * ```
 * A migration that is not named in it was not decided; ids are never used twice, so an old record means nothing to a new migration.
 */
export class GroupRecord {
  readonly #slots: RecordSlots
  #given: ReadonlyMap<string, GivenDisk>

  private constructor(slots: RecordSlots, given: ReadonlyMap<string, GivenDisk>) {
    this.#slots = slots
    this.#given = given
  }

  /** `place`: at least `GROUP_RECORD_BYTES`, reading as zero at first. @throws StorageError `CORRUPT` */
  static async open(place: StorageProvider): Promise<GroupRecord> {
    if (place.size < GROUP_RECORD_BYTES) {
      const context = { expected: GROUP_RECORD_BYTES, got: place.size }
      throw new StorageError('SIZE_MISMATCH', 'There is no room for the record of a group.', { context })
    }
    const slots = new RecordSlots(place, await createBlockHasher())
    const record = await slots.read()
    // What was read is durable from here on, so that the slots know that it must not be written over.
    if (record) await slots.flush()
    return new GroupRecord(slots, byMigration(record ? decodeGroupRecord(record) : []))
  }

  /**
   * Stores that these disks are given away, all of them or none.
   * @throws StorageError `IN_DOUBT` when it could not be stored, nor that it was not; anything else: none of them is
   */
  async decide(disks: readonly GivenDisk[]): Promise<void> {
    try {
      await this.#store(disks)
    } catch (error) {
      try {
        // What failed may be there after a crash all the same.
        await this.revoke()
      } catch (cause) {
        throw new StorageError('IN_DOUBT', 'It could not be stored whether the disks were given away.', { cause })
      }
      throw error
    }
  }

  /** Stores that nothing was given away, after it was in doubt whether it was. */
  revoke(): Promise<void> {
    return this.#store([])
  }

  /** Does what was decided and not done before the last end: a disk that was given away says so itself from here on. */
  async settle(journal: DiskJournal): Promise<void> {
    const { ownership } = journal
    const given = ownership && this.#find(ownership)
    if (!given) return
    await journal.become(release(ownership, given.root ? { root: digestText(given.root) } : {}))
  }

  #find(ownership: Ownership): GivenDisk | undefined {
    const { state, diskId, epoch, migration } = ownership
    if (state !== 'owner' || !migration || migration.nextEpoch <= epoch) return undefined
    const given = this.#given.get(migration.id)
    return given?.diskId === diskId ? given : undefined
  }

  async #store(disks: readonly GivenDisk[]): Promise<void> {
    await this.#slots.write(encodeGroupRecord(disks), AFTER_SLOTS, 0)
    await this.#slots.flush()
    this.#given = byMigration(disks)
  }
}

function byMigration(disks: readonly GivenDisk[]): ReadonlyMap<string, GivenDisk> {
  return new Map(disks.map((disk) => [disk.migrationId, disk]))
}

/** The bytes of a record; at most `GROUP_DISKS` disks. */
export function encodeGroupRecord(disks: readonly GivenDisk[]): Uint8Array {
  const record = new Uint8Array(2 + disks.length * ENTRY_BYTES)
  record.set([VERSION, disks.length])
  disks.forEach(({ diskId, migrationId, root }, index) => {
    const at = 2 + index * ENTRY_BYTES
    record.set(idBytes(diskId), at)
    record.set(idBytes(migrationId), at + ID_BYTES)
    record[at + 2 * ID_BYTES] = root ? 1 : 0
    if (root) record.set(root, at + 2 * ID_BYTES + 1)
  })
  return record
}

/** Reads a record, which has one form only. @throws StorageError `CORRUPT` */
export function decodeGroupRecord(record: Uint8Array): GivenDisk[] {
  const [version, count = 0] = record
  if (version !== VERSION || count > GROUP_DISKS || record.length !== 2 + count * ENTRY_BYTES) throw damaged()
  const disks = Array.from({ length: count }, (_, index): GivenDisk => {
    const at = 2 + index * ENTRY_BYTES
    const part = (from: number) => record.slice(at + from, at + from + ID_BYTES)
    const [hasRoot, bytes] = [record[at + 2 * ID_BYTES]!, part(2 * ID_BYTES + 1)]
    if (hasRoot > 1 || (hasRoot === 0 && bytes.some((byte) => byte !== 0))) throw damaged()
    return {
      diskId: digestText(part(0)),
      migrationId: digestText(part(ID_BYTES)),
      root: hasRoot === 1 ? bytes : undefined,
    }
  })
  // Of two that name one migration nobody could say which decides.
  if (byMigration(disks).size < count) throw damaged()
  return disks
}

function damaged(): StorageError {
  return new StorageError('CORRUPT', 'The record of the group is of another version, or damaged.')
}
