import { StorageError } from '../../errors/storage-error.ts'
import { type BlockHasher, DIGEST_BYTES } from '../../storage/block-hasher.ts'

/** Bytes of a head with its checksum. */
export const HEAD_BYTES = 128

const VERSION = 1
const MAGIC = new TextEncoder().encode('ferrysql')
const CHECKED_BYTES = HEAD_BYTES - DIGEST_BYTES
const FLAG = { database: 1, journal: 2 } as const
const STATES = ['here', 'arriving', 'arrived', 'away'] as const

/**
 * Whose database it is. `here`: used from this disk. `arriving`: a part of a copy. `arrived`: a copy that is whole, and waits for the word that the disk it came from is given
 * up. `away`: it moved to another disk and is never written here again.
 */
export type PlaceState = (typeof STATES)[number]

/** Where a rollback journal lies. */
export interface JournalPlace {
  readonly start: number
  /** Bytes that belong to it. */
  readonly bytes: number
  /** Digest of those bytes: a head is believed only with the journal that it speaks of. */
  readonly digest: Uint8Array
}

/** What a disk holds. */
export interface Head {
  /** Bytes of the database; undefined when there is none. */
  readonly databaseBytes: number | undefined
  readonly journal: JournalPlace | undefined
  readonly state: PlaceState
  /** The move that made it anything else than `here`, sixteen random bytes; zero before the first. */
  readonly moveId: Uint8Array
}

/** A head with its number: the one with the largest counts. */
export interface NumberedHead extends Head {
  readonly generation: number
}

/** The head of a disk on which there was never anything. */
export const EMPTY_HEAD: Head = {
  databaseBytes: undefined,
  journal: undefined,
  state: 'here',
  moveId: new Uint8Array(DIGEST_BYTES),
}

/**
 * ```
 *   0        8         12      16           24           32               40
 *   | magic  | version | flags | generation | disk bytes | database bytes | journal start |
 *   48              56               72      76       80        96                   112
 *   | journal bytes | journal digest | state | unused | move id | unused, zero       | checksum 16 |
 * ```
 * Numbers are little-endian; the checksum, XXH128, covers all before it.
 */
export function encodeHead(head: NumberedHead, diskBytes: number, hasher: BlockHasher): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES)
  const view = new DataView(bytes.buffer)
  const { journal } = head
  bytes.set(MAGIC)
  view.setUint32(8, VERSION, true)
  view.setUint32(12, (head.databaseBytes === undefined ? 0 : FLAG.database) | (journal ? FLAG.journal : 0), true)
  view.setBigUint64(16, BigInt(head.generation), true)
  view.setBigUint64(24, BigInt(diskBytes), true)
  view.setBigUint64(32, BigInt(head.databaseBytes ?? 0), true)
  view.setBigUint64(40, BigInt(journal?.start ?? 0), true)
  view.setBigUint64(48, BigInt(journal?.bytes ?? 0), true)
  if (journal) bytes.set(journal.digest, 56)
  view.setUint32(72, STATES.indexOf(head.state), true)
  bytes.set(head.moveId, 80)
  bytes.set(hasher.hash(bytes.subarray(0, CHECKED_BYTES)), CHECKED_BYTES)
  return bytes
}

/**
 * Undefined for bytes that are no whole head.
 * @throws StorageError `SIZE_MISMATCH` for the head of a disk of another size, `INCOMPATIBLE` for a later version
 */
export function decodeHead(bytes: Uint8Array, diskBytes: number, hasher: BlockHasher): NumberedHead | undefined {
  if (MAGIC.some((byte, index) => bytes[index] !== byte)) return undefined
  const checksum = hasher.hash(bytes.subarray(0, CHECKED_BYTES))
  if (checksum.some((byte, index) => byte !== bytes[CHECKED_BYTES + index])) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const version = view.getUint32(8, true)
  if (version !== VERSION) {
    throw new StorageError('INCOMPATIBLE', `The disk has version ${version} of the SQLite layout, known is ${VERSION}.`)
  }
  const number = (at: number) => Number(view.getBigUint64(at, true))
  if (number(24) !== diskBytes) {
    throw new StorageError(
      'SIZE_MISMATCH',
      `The database was made on a disk of ${number(24)} bytes, this one has ${diskBytes}.`,
    )
  }
  const flags = view.getUint32(12, true)
  const journal = { start: number(40), bytes: number(48), digest: bytes.slice(56, 72) }
  const state = STATES[view.getUint32(72, true)]
  if (state === undefined || journal.start + journal.bytes > diskBytes || number(32) > diskBytes) return undefined
  return {
    generation: number(16),
    databaseBytes: flags & FLAG.database ? number(32) : undefined,
    journal: flags & FLAG.journal ? journal : undefined,
    state,
    moveId: bytes.slice(80, 96),
  }
}
