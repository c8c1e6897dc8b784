import { StorageError } from '../../errors/storage-error.ts'
import { type BlockHasher, DIGEST_BYTES } from '../../storage/block-hasher.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import { readFully } from '../../storage/sequential-reader.ts'
import { LARGEST_RECORD_BYTES } from '../limits.ts'

/** Slots of a record: one that is durable, one that is complete, and one to write to. */
const SLOTS = 3

/** Bytes of a slot at the beginning of the place; what does not fit goes to its spare room. */
const SLOT_BYTES = 4096

/** Bytes before the record. */
const HEAD_BYTES = 8 + 8 + 4 + 8 + DIGEST_BYTES

/** Bytes of a record that need no spare room. */
const INLINE_BYTES = SLOT_BYTES - HEAD_BYTES

/** Where whatever follows the slots begins. */
export const AFTER_SLOTS = SLOTS * SLOT_BYTES

const MAGIC = new TextEncoder().encode('ferry 01')

/** How many bytes of spare room each slot needs for records of up to `length` bytes. */
export function spareBytes(length: number): number {
  return Math.max(0, length - INLINE_BYTES)
}

/** Bytes of all spare rooms together. */
export function allSpareBytes(length: number): number {
  return SLOTS * spareBytes(length)
}

/**
 * One record, replaced as a whole: whenever it stops, the record before or the one after is read again, never a mixture.
 *
 * ```
 *   slot    | magic 8 | generation u64 | length u32 | spare u64 | checksum 16 | record, up to 4052 bytes |
 *   spare   | the rest of the record, at offset `spare` of the place |
 * ```
 * The checksum covers generation, length, spare and record; of the valid slots the one with the latest generation counts. A write goes to a slot
 * that holds neither the last record known to be durable (a power loss leaves only that) nor the last one written (a kill in the middle of the
 * write leaves that, and what was done since relies on it): hence three.
 */
export class RecordSlots {
  readonly #place: StorageProvider
  readonly #hasher: BlockHasher
  #generation = 0
  #latest = -1
  #durable = -1

  constructor(place: StorageProvider, hasher: BlockHasher) {
    this.#place = place
    this.#hasher = hasher
  }

  /**
   * Reads the latest valid record, undefined when there is none; bytes of any kind are taken.
   * @throws StorageError `CORRUPT` when more than one slot was written and none is valid: no crash does that.
   */
  async read(): Promise<Uint8Array | undefined> {
    let record: Uint8Array | undefined
    let damaged = 0
    for (let slot = 0; slot < SLOTS; slot++) {
      const bytes = new Uint8Array(SLOT_BYTES)
      await readFully(this.#place, bytes, slot * SLOT_BYTES)
      const found = await this.#parse(bytes)
      if (!found) {
        if (bytes.some((byte) => byte !== 0)) damaged++
      } else if (found.generation > this.#generation) {
        this.#generation = found.generation
        this.#latest = slot
        record = found.record
      }
    }
    // One broken slot alone is a first record that was never finished.
    if (!record && damaged > 1)
      throw new StorageError('CORRUPT', 'The journal beside the disk is damaged: no record in it is whole.')
    return record
  }

  /** Writes a record; it is not durable before {@link flush}. `spareAt` is where the spare rooms begin. One call at a time. */
  async write(record: Uint8Array, spareAt: number, spareLength: number): Promise<void> {
    const slot = this.#target()
    const rest = record.subarray(INLINE_BYTES)
    const spare = spareAt + slot * spareLength
    const bytes = new Uint8Array(HEAD_BYTES + Math.min(record.length, INLINE_BYTES))
    const view = new DataView(bytes.buffer)
    bytes.set(MAGIC)
    // Counted also when the write fails: it may have taken effect all the same.
    view.setBigUint64(8, BigInt(++this.#generation), true)
    view.setUint32(16, record.length, true)
    view.setBigUint64(20, BigInt(spare), true)
    bytes.set(this.#checksum(bytes.subarray(8, 28), record), 28)
    bytes.set(record.subarray(0, INLINE_BYTES), HEAD_BYTES)
    if (rest.length > 0) await writeFully(this.#place, rest, spare)
    await writeFully(this.#place, bytes, slot * SLOT_BYTES)
    this.#latest = slot
  }

  /** Makes everything written to the place so far durable, the record with it. */
  async flush(): Promise<void> {
    const written = this.#latest
    await this.#place.flush()
    this.#durable = written
  }

  #target(): number {
    // Nothing was promised yet; a second broken slot would look like damage.
    if (this.#durable < 0) return 0
    for (let slot = 0; slot < SLOTS; slot++) if (slot !== this.#latest && slot !== this.#durable) return slot
    return 0
  }

  async #parse(bytes: Uint8Array): Promise<{ generation: number; record: Uint8Array } | undefined> {
    if (MAGIC.some((byte, index) => bytes[index] !== byte)) return undefined
    const view = new DataView(bytes.buffer)
    const [generation, length, spare] = [
      view.getBigUint64(8, true),
      view.getUint32(16, true),
      view.getBigUint64(20, true),
    ]
    if (generation > BigInt(Number.MAX_SAFE_INTEGER) || length > LARGEST_RECORD_BYTES) return undefined
    const record = new Uint8Array(length)
    record.set(bytes.subarray(HEAD_BYTES, HEAD_BYTES + Math.min(length, INLINE_BYTES)))
    if (length > INLINE_BYTES) {
      if (spare + BigInt(length - INLINE_BYTES) > BigInt(this.#place.size)) return undefined
      await readFully(this.#place, record.subarray(INLINE_BYTES), Number(spare))
    }
    const checksum = this.#checksum(bytes.subarray(8, 28), record)
    return checksum.every((byte, index) => byte === bytes[28 + index])
      ? { generation: Number(generation), record }
      : undefined
  }

  #checksum(head: Uint8Array, record: Uint8Array): Uint8Array {
    const all = new Uint8Array(head.length + record.length)
    all.set(head)
    all.set(record, head.length)
    return this.#hasher.hash(all)
  }
}

/**
 * Writes a range and refuses that fewer bytes were taken.
 * @throws StorageError `SHORT_WRITE`
 */
export async function writeFully(place: StorageProvider, bytes: Uint8Array, offset: number): Promise<void> {
  const count = await place.writeAt(bytes, offset)
  if (count !== bytes.length) {
    throw new StorageError('SHORT_WRITE', undefined, { context: { offset, expected: bytes.length, got: count } })
  }
}
