import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { COMMAND } from './commands.ts'
import { type EncodedPacket, headOnly } from './encoded-packet.ts'
import { PROOF_BYTES } from './proof.ts'

/** Bytes of a disk's id, of a migration's id and of its key. */
export const MIGRATION_ID_BYTES = 16

/** What is said of a migration by its source. Comes after `dev-info`, before anything of the disk. Answered. */
export interface Begin {
  readonly kind: 'begin'
  /** Whether the source has given the disk away already and wants to know what became of it. */
  readonly isReleased: boolean
  /** Ownership may pass before all blocks have moved. */
  readonly mayBeIncomplete: boolean
  /** `MIGRATION_ID_BYTES`; decoded: a view. */
  readonly diskId: Uint8Array
  /** The source's; the destination will own the disk with the next one. */
  readonly epoch: number
  /** `MIGRATION_ID_BYTES`; decoded: a view. */
  readonly migrationId: Uint8Array
  /** A migration that begins, with the key that will prove both sides from now on; or one that goes on, with the proof. Views when decoded. */
  readonly token:
    | { readonly type: 'key'; readonly key: Uint8Array }
    | { readonly type: 'proof'; readonly mac: Uint8Array }
}

/**
 * What the destination has of a migration: `unknown` nothing, not even its key; `receiving` blocks; `prepared` everything that was agreed, and
 * may not write; `owner` the disk, or it had it and has given it on.
 */
export const ARRIVAL_STATES = ['unknown', 'receiving', 'prepared', 'owner'] as const

/** One of {@link ARRIVAL_STATES}. */
export type ArrivalState = (typeof ARRIVAL_STATES)[number]

/** Where the destination stands. */
export interface BeginResponse {
  readonly kind: 'begin-response'
  readonly state: ArrivalState
  /** It holds blocks whose digests can be asked for; of an owner: it still lacks some. */
  readonly hasClaims: boolean
  /** The epoch of what it has. */
  readonly epoch: number
  /** Shows that it knows the key, `PROOF_BYTES`; nothing but zeroes from one that does not. Decoded: a view. */
  readonly mac: Uint8Array
}

const RELEASED = 1
const INCOMPLETE = 2
const PROVEN = 4

/**
 * ```
 * 0    1       2           18          26                32 + 10
 * | 47 | flags | disk id 16 | epoch u64 | migration id 16 | key 16, or with flag 4: proof 32 |
 * ```
 * Flags: 1 released, 2 may be incomplete, 4 goes on.
 */
export function encodeBegin({ isReleased, mayBeIncomplete, diskId, epoch, migrationId, token }: Begin): EncodedPacket {
  const secret = token.type === 'key' ? token.key : token.mac
  const flags = (isReleased ? RELEASED : 0) | (mayBeIncomplete ? INCOMPLETE : 0) | (token.type === 'proof' ? PROVEN : 0)
  const writer = new ByteWriter(10 + 2 * MIGRATION_ID_BYTES + secret.length).u8(COMMAND.begin).u8(flags)
  return headOnly(writer.bytes(diskId).u53(epoch).bytes(migrationId).bytes(secret).done())
}

export function decodeBegin(payload: Uint8Array): Begin {
  const reader = new ByteReader(payload, 'begin')
  const flags = reader.u8()
  if (flags >= 2 * PROVEN) throw reader.error(`has flags ${flags}, which mean nothing`)
  const diskId = reader.bytes(MIGRATION_ID_BYTES)
  const epoch = reader.u53()
  const migrationId = reader.bytes(MIGRATION_ID_BYTES)
  const token =
    (flags & PROVEN) === 0
      ? ({ type: 'key', key: reader.bytes(MIGRATION_ID_BYTES) } as const)
      : ({ type: 'proof', mac: reader.bytes(PROOF_BYTES) } as const)
  reader.end()
  const isReleased = (flags & RELEASED) !== 0
  const mayBeIncomplete = (flags & INCOMPLETE) !== 0
  return { kind: 'begin', isReleased, mayBeIncomplete, diskId, epoch, migrationId, token }
}

/**
 * ```
 * 0    1          2              3           11
 * | c7 | state u8 | has claims u8 | epoch u64 | proof 32 |
 * ```
 */
export function encodeBeginResponse({ state, hasClaims, epoch, mac }: BeginResponse): EncodedPacket {
  const writer = new ByteWriter(11 + PROOF_BYTES).u8(COMMAND.beginResponse).u8(ARRIVAL_STATES.indexOf(state))
  return headOnly(
    writer
      .u8(hasClaims ? 1 : 0)
      .u53(epoch)
      .bytes(mac)
      .done(),
  )
}

export function decodeBeginResponse(payload: Uint8Array): BeginResponse {
  const reader = new ByteReader(payload, 'begin-response')
  const state = ARRIVAL_STATES[reader.u8()]
  if (state === undefined) throw reader.error('has a state that means nothing')
  const hasClaims = reader.u8() !== 0
  const epoch = reader.u53()
  const mac = reader.bytes(PROOF_BYTES)
  reader.end()
  return { kind: 'begin-response', state, hasClaims, epoch, mac }
}
