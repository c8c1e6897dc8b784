import { errorCode, StorageError } from '../../errors/storage-error.ts'
import { writeFully } from '../../migration/journal/record-slots.ts'
import type { BlockHasher } from '../../storage/block-hasher.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import { readFully } from '../../storage/sequential-reader.ts'
import { decodeHead, encodeHead, HEAD_BYTES, type Head, type NumberedHead } from './head.ts'

/** One that is durable, one that was written since, and one to write to. */
const SLOTS = 3

/** Bytes from one slot to the next: no sector of a drive holds two. */
const SLOT_BYTES = 4096

/** Where the slots of a disk end. */
export const AFTER_SLOTS = SLOTS * SLOT_BYTES

/** A head to be written. */
export interface SlotWrite {
  readonly bytes: Uint8Array
  readonly offset: number
}

/** What was found in the slots. */
export interface FoundHeads {
  /** Whole heads, the latest first. */
  readonly heads: readonly NumberedHead[]
  /** Slots with something else than zeroes or a whole head. */
  readonly damaged: number
}

/**
 * The slots of a head, which is replaced as a whole: a write goes to the slot that holds neither the head known to be durable, since a power loss
 * leaves only that, nor the last one written, since a process that ends in the middle of the write leaves that.
 */
export class HeadSlots {
  readonly #hasher: BlockHasher
  readonly #diskBytes: number
  #generation = 0
  #latest = -1
  #durable = -1

  constructor(diskBytes: number, hasher: BlockHasher) {
    this.#diskBytes = diskBytes
    this.#hasher = hasher
  }

  /** Goes on from the head that counts; `latest` is the highest number found, also of heads that did not count. */
  begin(generation: number, latest: number): void {
    this.#generation = latest
    this.#latest = generation % SLOTS
    this.#durable = this.#latest
  }

  /** The next head and where it goes. Counted also when writing fails: it may have taken effect all the same. */
  next(head: Head): SlotWrite {
    // A slot by number, so that which is which can be told from the heads alone; the durable one and the latest are left out.
    do this.#generation++
    while (this.#generation % SLOTS === this.#durable || this.#generation % SLOTS === this.#latest)
    this.#latest = this.#generation % SLOTS
    const bytes = encodeHead({ ...head, generation: this.#generation }, this.#diskBytes, this.#hasher)
    return { bytes, offset: this.#latest * SLOT_BYTES }
  }

  /** The slot that was written last; for {@link flushed}. */
  get latest(): number {
    return this.#latest
  }

  /** A flush that began when this slot was the latest has ended. */
  flushed(slot: number): void {
    this.#durable = slot
  }
}

/** The slots of a disk that is not used yet. */
export interface PreparedSlots extends HeadSlots {
  /** Writes a head, and makes it and everything else on the disk durable. */
  write(head: Head): Promise<void>
}

/** The slots of a disk that is to be overwritten, whatever is in them. */
export async function prepareSlots(provider: StorageProvider, hasher: BlockHasher): Promise<PreparedSlots> {
  const slots = new HeadSlots(provider.size, hasher)
  try {
    const [latest] = (await readHeads(provider, hasher)).heads
    if (latest) slots.begin(latest.generation, latest.generation)
  } catch (error) {
    if (!['CORRUPT', 'SIZE_MISMATCH', 'INCOMPATIBLE'].includes(errorCode(error) ?? '')) throw error
    // Nothing of what was there may be taken for a head of this database.
    await provider.writeAt(new Uint8Array(AFTER_SLOTS), 0)
  }
  return Object.assign(slots, {
    write: async (head: Head) => {
      const { bytes, offset } = slots.next(head)
      const { latest } = slots
      await writeFully(provider, bytes, offset)
      await provider.flush()
      slots.flushed(latest)
    },
  })
}

/** Reads the slots of a disk; bytes of any kind are taken. @throws StorageError `SIZE_MISMATCH`, `INCOMPATIBLE`, and what the storage throws */
export async function readHeads(provider: StorageProvider, hasher: BlockHasher): Promise<FoundHeads> {
  const heads: NumberedHead[] = []
  let damaged = 0
  const bytes = new Uint8Array(HEAD_BYTES)
  for (let slot = 0; slot < SLOTS; slot++) {
    await readFully(provider, bytes, slot * SLOT_BYTES)
    const head = decodeHead(bytes, provider.size, hasher)
    if (head && head.generation % SLOTS === slot) heads.push(head)
    else if (bytes.some((byte) => byte !== 0)) damaged++
  }
  heads.sort((a, b) => b.generation - a.generation)
  // One broken slot alone is a first head that was never finished.
  if (heads.length === 0 && damaged > 1) {
    throw new StorageError('CORRUPT', 'This is no disk of a SQLite database, or its head is damaged.')
  }
  return { heads, damaged }
}
