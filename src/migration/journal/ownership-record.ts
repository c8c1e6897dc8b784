import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'
import { digestText } from '../../storage/hash-tree.ts'
import { type MigrationIdentity, OWNERSHIP_STATES, type Ownership } from './ownership.ts'

/** Bytes of ids, keys and roots. */
const ID_BYTES = 16

const MIGRATION_BYTES = 2 * ID_BYTES + 8

/** Bytes of a record: every field has its place, those that are absent are zero. */
export const OWNERSHIP_BYTES = 2 + ID_BYTES + 8 + 8 + 4 + 2 * MIGRATION_BYTES + ID_BYTES

const MIGRATION = 1
const ROOT = 2
const MISSING = 4
const FORCED = 8
const SETTLING = 16
const ORIGIN = 32
const ALL_FLAGS = 63

/**
 * ```
 * 0       1       2            18          26         34              38           78        94
 * | state | flags | disk id 16 | epoch u64 | size u64 | blockSize u32 | migration 40 | root 16 | origin 40 |
 *
 * migration, origin:  | id 16 | key 16 | next epoch u64 |
 * ```
 * Little-endian. Flags: 1 migration, 2 root, 4 missing, 8 forced, 16 settling, 32 origin. What a flag denies is zero.
 */
export function encodeOwnership(ownership: Ownership): Uint8Array {
  const { diskId, epoch, state, size, blockSize, migration, root, origin } = ownership
  const bytes = new Uint8Array(OWNERSHIP_BYTES)
  const view = new DataView(bytes.buffer)
  bytes[0] = OWNERSHIP_STATES.indexOf(state)
  bytes[1] =
    (migration ? MIGRATION : 0) |
    (root === undefined ? 0 : ROOT) |
    (ownership.missing ? MISSING : 0) |
    (ownership.forced ? FORCED : 0) |
    (ownership.settling ? SETTLING : 0) |
    (origin ? ORIGIN : 0)
  bytes.set(idBytes(diskId), 2)
  view.setBigUint64(18, BigInt(epoch), true)
  view.setBigUint64(26, BigInt(size), true)
  view.setUint32(34, blockSize, true)
  if (migration) encodeMigration(bytes, 38, migration)
  if (root !== undefined) bytes.set(idBytes(root), 78)
  if (origin) encodeMigration(bytes, 94, origin)
  return bytes
}

/** What {@link encodeOwnership} wrote; undefined for bytes that it never writes. */
export function decodeOwnership(bytes: Uint8Array): Ownership | undefined {
  if (bytes.length !== OWNERSHIP_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const state = OWNERSHIP_STATES[bytes[0]!]
  const flags = bytes[1]!
  const [epoch, size] = [safe(view, 18), safe(view, 26)]
  const [migration, origin] = [decodeMigration(bytes, 38), decodeMigration(bytes, 94)]
  if (!state || flags > ALL_FLAGS || epoch === undefined || size === undefined || !migration || !origin)
    return undefined
  const ownership: Ownership = {
    diskId: idText(bytes, 2),
    epoch,
    state,
    size,
    blockSize: view.getUint32(34, true),
    ...((flags & MIGRATION) !== 0 ? { migration } : {}),
    ...((flags & ROOT) !== 0 ? { root: idText(bytes, 78) } : {}),
    ...((flags & MISSING) !== 0 ? { missing: true } : {}),
    ...((flags & FORCED) !== 0 ? { forced: true } : {}),
    ...((flags & SETTLING) !== 0 ? { settling: true } : {}),
    ...((flags & ORIGIN) !== 0 ? { origin } : {}),
  }
  // One form for each record: whatever does not come out the same was not written here.
  return encodeOwnership(ownership).every((byte, index) => byte === bytes[index]) ? ownership : undefined
}

function encodeMigration(bytes: Uint8Array, at: number, { id, key, nextEpoch }: MigrationIdentity): void {
  bytes.set(idBytes(id), at)
  bytes.set(idBytes(key), at + ID_BYTES)
  new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(at + 2 * ID_BYTES, BigInt(nextEpoch), true)
}

function decodeMigration(bytes: Uint8Array, at: number): MigrationIdentity | undefined {
  const nextEpoch = safe(new DataView(bytes.buffer, bytes.byteOffset), at + 2 * ID_BYTES)
  return nextEpoch === undefined ? undefined : { id: idText(bytes, at), key: idText(bytes, at + ID_BYTES), nextEpoch }
}

function idText(bytes: Uint8Array, at: number): string {
  return digestText(bytes.subarray(at, at + ID_BYTES))
}

function safe(view: DataView, at: number): number | undefined {
  const value = view.getBigUint64(at, true)
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined
}

/** The bytes of an id of 32 hexadecimal characters. */
function idBytes(id: string): Uint8Array {
  if (!/^[0-9a-f]{32}$/.test(id)) throw new InvalidArgumentError('id', '32 hexadecimal characters', id.length)
  return Uint8Array.from({ length: ID_BYTES }, (_, index) => Number.parseInt(id.slice(2 * index, 2 * index + 2), 16))
}
