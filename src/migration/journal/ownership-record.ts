import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'
import { digestText } from '../../storage/hash-tree.ts'
import { type MigrationIdentity, OWNERSHIP_STATES, type Ownership } from './ownership.ts'

/** Bytes of ids, keys and roots. */
const ID_BYTES = 16

/** Bytes of a record: every field has its place, those that are absent are zero. */
export const OWNERSHIP_BYTES = 2 + ID_BYTES + 8 + 8 + 4 + 2 * ID_BYTES + 8 + ID_BYTES

const MIGRATION = 1
const ROOT = 2
const MISSING = 4
const FORCED = 8
const SETTLING = 16
const ALL_FLAGS = 31

/**
 * ```
 * 0       1       2            18          26         34              38                42 + 12        70
 * | state | flags | disk id 16 | epoch u64 | size u64 | blockSize u32 | migration id 16 | key 16       | next epoch u64 | root 16 |
 * ```
 * Little-endian. Flags: 1 migration, 2 root, 4 missing, 8 forced, 16 settling. What a flag denies is zero.
 */
export function encodeOwnership(ownership: Ownership): Uint8Array {
  const { diskId, epoch, state, size, blockSize, migration, root } = ownership
  const bytes = new Uint8Array(OWNERSHIP_BYTES)
  const view = new DataView(bytes.buffer)
  bytes[0] = OWNERSHIP_STATES.indexOf(state)
  bytes[1] =
    (migration ? MIGRATION : 0) |
    (root === undefined ? 0 : ROOT) |
    (ownership.missing ? MISSING : 0) |
    (ownership.forced ? FORCED : 0) |
    (ownership.settling ? SETTLING : 0)
  bytes.set(idBytes(diskId), 2)
  view.setBigUint64(18, BigInt(epoch), true)
  view.setBigUint64(26, BigInt(size), true)
  view.setUint32(34, blockSize, true)
  if (migration) {
    bytes.set(idBytes(migration.id), 38)
    bytes.set(idBytes(migration.key), 54)
    view.setBigUint64(70, BigInt(migration.nextEpoch), true)
  }
  if (root !== undefined) bytes.set(idBytes(root), 78)
  return bytes
}

/** What {@link encodeOwnership} wrote; undefined for bytes that it never writes. */
export function decodeOwnership(bytes: Uint8Array): Ownership | undefined {
  if (bytes.length !== OWNERSHIP_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const state = OWNERSHIP_STATES[bytes[0]!]
  const flags = bytes[1]!
  const [epoch, size, nextEpoch] = [safe(view, 18), safe(view, 26), safe(view, 70)]
  if (!state || flags > ALL_FLAGS || epoch === undefined || size === undefined || nextEpoch === undefined)
    return undefined
  const text = (at: number) => digestText(bytes.subarray(at, at + ID_BYTES))
  const migration: MigrationIdentity = { id: text(38), key: text(54), nextEpoch }
  const ownership: Ownership = {
    diskId: text(2),
    epoch,
    state,
    size,
    blockSize: view.getUint32(34, true),
    ...((flags & MIGRATION) !== 0 ? { migration } : {}),
    ...((flags & ROOT) !== 0 ? { root: text(78) } : {}),
    ...((flags & MISSING) !== 0 ? { missing: true } : {}),
    ...((flags & FORCED) !== 0 ? { forced: true } : {}),
    ...((flags & SETTLING) !== 0 ? { settling: true } : {}),
  }
  // One form for each record: whatever does not come out the same was not written here.
  return encodeOwnership(ownership).every((byte, index) => byte === bytes[index]) ? ownership : undefined
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
