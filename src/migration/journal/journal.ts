import { Bitfield } from '../../bitfield/bitfield.ts'
import { StorageError } from '../../errors/storage-error.ts'
import { BlockDigests, SLICE_BLOCKS } from '../../storage/block-digests.ts'
import type { BlockHasher } from '../../storage/block-hasher.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import { DigestPages, STORED_PAGE_BYTES } from './digest-pages.ts'
import {
  checkBootId,
  decodeJournalRecord,
  encodeJournalRecord,
  type JournalRecord,
  LIFE_BYTES,
  longestRecord,
  pageCountOf,
} from './journal-record.ts'
import { type JournalLoad, loadDigests } from './load-digests.ts'
import type { Ownership } from './ownership.ts'
import { PageMap } from './page-map.ts'
import { AFTER_SLOTS, allSpareBytes, RecordSlots, spareBytes } from './record-slots.ts'
import { SliceWriter } from './slice-writer.ts'

/**
 * Stamps that one opening may give. The next begins beyond them, so that whatever it writes counts before slices of an earlier one that no record
 * knows of; a journal can be opened two million times.
 */
const STAMPS_OF_OPENING = 2 ** 32

/** What a journal is opened for. */
export interface JournalOptions {
  /** Bytes of the disk. */
  readonly size: number
  readonly blockSize: number
  readonly hasher: BlockHasher
  /**
   * The name of this boot of the machine: as long as it is the same, whatever was written is there, flushed or not, since only processes ended.
   * Without it, or with another one, only what was flushed counts. A browser has no such name; a page that passes a constant says that it does
   * not mind power losses.
   */
  readonly bootId?: string
  /** The storage may say that it flushed and not have done it: after another boot no digest counts. Default: false. */
  readonly flushesMayBeLost?: boolean
  /** Eight bytes that no other journal has; for runs that are to be repeated. Default: from the platform's generator. */
  readonly life?: Uint8Array
}

/** What a checkpoint does beside writing what is known. */
export interface CheckpointOptions {
  /** Flushes the disk. */
  readonly flush?: () => Promise<void>
  /** Whose disk it is from now on. */
  readonly ownership?: Ownership
}

/** Bytes that the journal of a disk takes, a storage of exactly this size is its place. Mostly holes: only what is known is written. */
export function journalBytes(size: number, blockSize: number): number {
  const pages = pageCountOf(size, blockSize)
  return AFTER_SLOTS + allSpareBytes(longestRecord(pages)) + pages * STORED_PAGE_BYTES
}

/**
 * Looks at what a place says about its disk, before it is known how large that is; undefined where nothing whole was ever written.
 * @throws StorageError `CORRUPT`
 */
export async function readOwnership(place: StorageProvider, hasher: BlockHasher): Promise<Ownership | undefined> {
  const record = await new RecordSlots(place, hasher).read()
  return record && decodeJournalRecord(record)?.ownership
}

/**
 * Opens the journal of a disk, or begins one where nothing was written; nothing is written to a place that is new. A terabyte of zeroes loads at once.
 * @throws StorageError `SIZE_MISMATCH` when the journal is of a disk of another size or block size, `CORRUPT`
 */
export async function openJournal(place: StorageProvider, options: JournalOptions): Promise<Journal> {
  const { size, blockSize, hasher, bootId = '' } = options
  checkBootId(bootId)
  if (place.size < journalBytes(size, blockSize)) throw mismatch(size, blockSize)
  const slots = new RecordSlots(place, hasher)
  const bytes = await slots.read()
  const record = bytes && decodeJournalRecord(bytes)
  if (bytes && !record) throw new StorageError('CORRUPT', 'The journal beside the disk was written by something else.')
  if (record && (record.size !== size || record.blockSize !== blockSize)) throw mismatch(record.size, record.blockSize)
  const journal = new Journal(place, slots, options, record)
  try {
    await journal.load(record)
  } catch (error) {
    journal.free()
    throw error
  }
  return journal
}

/**
 * What one side keeps beside a disk so that nothing is lost when it is killed: who owns the disk, and which blocks are known by what digest.
 *
 * It promises that a digest it gives back after any crash is that of what is stored: whoever replaces a known block calls {@link forget} first,
 * or writes through write intents; whoever notes a block has stored it. What it may lose is knowledge: then a block is compared once more.
 * Calls may overlap; their writes happen one after the other, in the order of the calls.
 */
export class Journal {
  readonly digests: BlockDigests
  /**
   * Blocks that were known before the machine lost power, and are not now: what is stored there is likely right, so whoever wants to keep them
   * reads and notes them. To look at only.
   */
  readonly unproven: Bitfield
  readonly #place: StorageProvider
  readonly #slots: RecordSlots
  readonly #options: JournalOptions
  readonly #slices: SliceWriter
  #ownership: Ownership | undefined
  #life: Uint8Array
  #forgetsLazily = false
  #flushed = 0
  /** A record is durable by which the next opening knows of this one: none has to for the first. */
  #hasBegun: boolean
  #loaded: JournalLoad = { isNew: true, isSameBoot: true, damagedSlices: 0 }
  /** The last piece of work in line; never rejects. */
  #tail: Promise<unknown> = Promise.resolve()
  #batch: { slices: number[]; done: Promise<void> } | undefined
  readonly #striking = new Map<number, Promise<void>>()
  /** Work in line that will forget durably whatever is forgotten before it begins. */
  #nextForget: Promise<void> | undefined
  #forgetsAsked = 0
  /** The last one that succeeded: it covers those before, failed ones too. */
  #forgetsDone = 0

  /** Use {@link openJournal}. */
  constructor(place: StorageProvider, slots: RecordSlots, options: JournalOptions, record: JournalRecord | undefined) {
    const { size, blockSize, hasher } = options
    this.#place = place
    this.#slots = slots
    this.#options = options
    this.digests = new BlockDigests(size, blockSize, hasher)
    this.unproven = new Bitfield(this.digests.blockCount)
    this.#ownership = record?.ownership
    this.#life = record?.life ?? options.life ?? crypto.getRandomValues(new Uint8Array(LIFE_BYTES))
    this.#forgetsLazily = record?.forgetsLazily ?? false
    this.#flushed = record?.flushed ?? 0
    const spares = allSpareBytes(longestRecord(this.digests.pageCount))
    const pages = new DigestPages(place, hasher, { offset: AFTER_SLOTS + spares, sliceCount: this.digests.sliceCount })
    this.#slices = new SliceWriter(this.digests, pages, record?.pages ?? new PageMap(this.digests.pageCount))
    this.#slices.stamp = record?.stamp ?? 0
    this.#hasBegun = !record
  }

  /** Whose disk it is; undefined before anybody said so. */
  get ownership(): Ownership | undefined {
    return this.#ownership
  }

  /** What was found when the journal was opened. */
  get loaded(): JournalLoad {
    return this.#loaded
  }

  /**
   * Stores whose disk it is, durable when it resolves. When it rejects, {@link ownership} is what it was, and the place holds that or `next`: call
   * again with the one that shall be true, and trust neither before one call has succeeded.
   */
  become(next: Ownership): Promise<void> {
    return this.#inLine(async () => {
      await this.#write({ ownership: next })
      await this.#flush()
      this.#ownership = next
    })
  }

  /**
   * Writes what became known or unknown since the last one. With `flush`, which makes durable whatever was stored in the disk before it is called,
   * the digests noted before this call count even after a power loss; it is called at once, and whoever forgets meanwhile does not wait for it.
   * With `ownership` as {@link become}, after the flush and in the same write.
   */
  async checkpoint({ flush, ownership }: CheckpointOptions = {}): Promise<void> {
    const stamp = this.#slices.stamp
    if (flush) await this.#slices.duringFlush(flush)
    await this.#inLine(async () => {
      if (flush) this.#flushed = Math.max(this.#flushed, stamp)
      await this.#begin()
      await this.#slices.store(this.#life)
      if (flush) this.#slices.settleZeroes()
      if (ownership?.state === 'prepared') await this.#strikesAreDurable()
      if (flush || ownership || this.#slices.mapChanged) await this.#write(ownership ? { ownership } : {})
      if (flush || ownership) await this.#flush()
      if (ownership) this.#ownership = ownership
    })
  }

  /** Blocks are being forgotten, or could not be: the place may claim some that are not known here, until a further {@link forget} of those succeeds. */
  get isForgetting(): boolean {
    return this.#forgetsDone !== this.#forgetsAsked
  }

  /**
   * Forgets neighbouring blocks here and on the place, durable when it resolves: only then may something else be stored in them. Costs nothing
   * when none of them was ever told to the place.
   */
  forget(start: number, count: number): Promise<void> {
    this.digests.forget(start, count)
    return this.#slices.isTold(start, count) ? this.#forgetAll() : Promise.resolve()
  }

  /** As {@link forget} for any blocks; the field stays the caller's. */
  forgetBlocks(blocks: Bitfield): Promise<void> {
    let isTold = false
    blocks.forEachRun((start, count) => {
      this.digests.forget(start, count)
      isTold ||= this.#slices.isTold(start, count)
    })
    return isTold ? this.#forgetAll() : Promise.resolve()
  }

  /** Forgets everything but the ownership, durable when it resolves: for a copy that is discarded. */
  clear(): Promise<void> {
    this.digests.forget(0, this.digests.blockCount)
    return this.#inLine(async () => {
      // Whatever is on the place belongs to another life from here on.
      const life = this.#nextLife()
      await this.#write({ life, pages: new PageMap(this.digests.pageCount) })
      await this.#flush()
      this.#life = life
      this.#slices.forgetAll()
    })
  }

  /**
   * Strikes out the slices of neighbouring blocks on the place: nothing is told of them until all their blocks are known again. Not flushed: after
   * a power loss the whole journal is void. Returns undefined when there is nothing to do, else resolves once it is written; calls that come
   * together are written together. For write intents; the caller forgets the blocks among the digests itself.
   */
  strike(start: number, count: number): Promise<void> | undefined {
    if (!this.#slices.isTold(start, count)) return undefined
    const waits = new Set<Promise<void>>()
    const end = Math.floor((start + count - 1) / SLICE_BLOCKS) + 1
    for (let slice = Math.floor(start / SLICE_BLOCKS); slice < end; slice++) {
      if (this.#slices.told.test(slice)) waits.add(this.#striking.get(slice) ?? this.#strikeSlice(slice))
    }
    return waits.size === 1 ? [...waits][0] : Promise.all(waits).then(() => {})
  }

  /** Ends after the work in line, and closes the place. The digests are freed. */
  async close(): Promise<void> {
    await this.#tail
    this.free()
    await this.#place.close()
  }

  /** Gives memory back, and leaves the place open. */
  free(): void {
    this.digests.free()
    this.unproven.free()
    this.#slices.free()
  }

  /** Called once by {@link openJournal}. */
  async load(record: JournalRecord | undefined): Promise<void> {
    if (!record) return
    const { bootId = '', flushesMayBeLost = false } = this.#options
    const isSameBoot = bootId !== '' && bootId === record.bootId
    const trust = isSameBoot ? 'all' : record.forgetsLazily || flushesMayBeLost ? 'none' : 'flushed'
    const damagedSlices = await loadDigests(record, trust, {
      digests: this.digests,
      slices: this.#slices,
      unproven: this.unproven,
    })
    this.#loaded = { isNew: false, isSameBoot, damagedSlices }
    this.#slices.stamp = (Math.floor(this.#slices.stamp / STAMPS_OF_OPENING) + 1) * STAMPS_OF_OPENING
    // From here on what is read is durable, so that the slots know which of them may be written.
    await this.#flush()
    if (!isSameBoot) await this.#newBoot(record.bootId, trust === 'none')
  }

  /** What an earlier boot left in doubt must not look as if this boot had written it. */
  async #newBoot(before: string, isVoid: boolean): Promise<void> {
    if (isVoid) {
      this.#life = this.#nextLife()
      this.#slices.forgetAll()
    } else {
      // It is still in doubt.
      await this.#begin({ bootId: before })
      await this.#slices.store(this.#life)
    }
    this.#forgetsLazily = false
    await this.#write()
    await this.#flush()
  }

  /**
   * Nobody strikes until this side owns the disk and nothing is missing. Were earlier strikes still in doubt, a power loss would void what the new
   * owner has flushed while it lacked blocks: older copies would be fetched over it.
   */
  async #strikesAreDurable(): Promise<void> {
    this.#slices.struck.clearAll()
    if (!this.#forgetsLazily) return
    await this.#flush()
    this.#forgetsLazily = false
  }

  #forgetAll(): Promise<void> {
    if (!this.#nextForget) {
      const number = ++this.#forgetsAsked
      this.#nextForget = this.#inLine(async () => {
        this.#nextForget = undefined
        await this.#begin()
        await this.#slices.store(this.#life)
        if (this.#slices.mapChanged) await this.#write()
        await this.#flush()
        this.#forgetsDone = number
      })
    }
    return this.#nextForget
  }

  #strikeSlice(slice: number): Promise<void> {
    // At once: a checkpoint that is written before must not tell of it either.
    this.#slices.struck.set(slice)
    if (!this.#batch) {
      const slices: number[] = []
      this.#batch = { slices, done: this.#inLine(() => this.#strikeBatch(slices)) }
      this.#batch.done.catch(() => {}) // Heard by the writers that wait for it.
    }
    const { slices, done } = this.#batch
    slices.push(slice)
    this.#striking.set(slice, done)
    return done
  }

  async #strikeBatch(slices: number[]): Promise<void> {
    this.#batch = undefined
    try {
      if (!this.#forgetsLazily) {
        await this.#write({ forgetsLazily: true })
        await this.#flush()
        this.#forgetsLazily = true
      }
      await this.#begin()
      await this.#slices.strike(this.#life, slices)
      if (this.#slices.mapChanged) await this.#write()
      this.#slices.untold(slices)
    } finally {
      for (const slice of slices) this.#striking.delete(slice)
    }
  }

  /** Not made of the one before, unless runs are to be repeated: a storage that lies about flushes may bring that back, and the next would be the same again. */
  #nextLife(): Uint8Array {
    if (this.#options.life) return this.#options.hasher.hash(this.#life).subarray(0, LIFE_BYTES)
    return crypto.getRandomValues(new Uint8Array(LIFE_BYTES))
  }

  /** Before the first slice of this opening is written. */
  async #begin(changes: Partial<JournalRecord> = {}): Promise<void> {
    if (this.#hasBegun) return
    await this.#write(changes)
    await this.#flush()
    this.#hasBegun = true
  }

  async #write(changes: Partial<JournalRecord> = {}): Promise<void> {
    const { size, blockSize, bootId = '' } = this.#options
    const record = encodeJournalRecord({
      size,
      blockSize,
      bootId,
      ownership: this.#ownership,
      forgetsLazily: this.#forgetsLazily,
      life: this.#life,
      stamp: this.#slices.stamp,
      flushed: this.#flushed,
      pages: this.#slices.map,
      ...changes,
    })
    await this.#slots.write(record, AFTER_SLOTS, spareBytes(longestRecord(this.digests.pageCount)))
    this.#slices.mapChanged = false
  }

  /** In line, so that nothing is written meanwhile. */
  async #flush(): Promise<void> {
    await this.#slots.flush()
    this.#slices.pages.flushed()
  }

  #inLine<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#tail.then(work)
    this.#tail = done.catch(() => {}) // Heard by the caller.
    return done
  }
}

function mismatch(size: number, blockSize: number): StorageError {
  return new StorageError('SIZE_MISMATCH', `The journal is of a disk of ${size} bytes in blocks of ${blockSize}.`, {
    context: { size, blockSize },
  })
}
