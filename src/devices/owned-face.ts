import { Bitfield } from '../bitfield/bitfield.ts'
import { createWriteIntents, type WriteIntents } from '../migration/journal/write-intents.ts'
import type { WaitingCache } from '../modules/waiting-cache.ts'
import type { IoOptions } from '../storage/provider.ts'
import { StorageWrapper } from '../storage/wrapper.ts'
import type { DiskJournal } from './disk-journal.ts'
import { WRITTEN_HERE } from './settle-rest.ts'

/**
 * The application's face of a disk that was handed over, in front of what is still arriving: keeps the journal right about what is written.
 *
 * While blocks are missing, a block that is known is one that is here, and its digest is that of the hand-over; a flush makes what was written here
 * known too, or a restart would fetch an older copy over it. Afterwards a digest is that of what is stored, and a write forgets it before it begins.
 */
export class OwnedFace extends StorageWrapper {
  readonly #cache: WaitingCache
  readonly #journal: DiskJournal
  readonly #intents: WriteIntents | undefined
  /** Something was written since the journal was last told, while blocks were missing. */
  #isUntold = false
  /** The last telling, while it is under way. */
  #telling: Promise<void> | undefined
  /** Writes that began while blocks were missing. */
  readonly #early = new Set<Promise<unknown>>()
  #torn: Bitfield | undefined
  zeroAt?: (offset: number, length: number) => Promise<number>

  constructor(cache: WaitingCache, journal: DiskJournal) {
    super(cache.local)
    this.#cache = cache
    this.#journal = journal
    const { digests, strike } = journal
    // What is only in memory ends with this face.
    this.#intents = strike && createWriteIntents({ digests, strike: strike.bind(journal) })
    const { local } = cache
    if (local.zeroAt) this.zeroAt = (offset, length) => this.#write(offset, length, () => local.zeroAt!(offset, length))
  }

  override writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    return this.#write(offset, data.length, () => this.inner.writeAt(data, offset, options))
  }

  override async flush(): Promise<void> {
    if (!this.#isIncomplete) return this.inner.flush()
    // What another flush is telling now is not durable yet.
    if (!this.#isUntold) return void (await Promise.all([this.inner.flush(), this.#telling]))
    this.#isUntold = false
    const telling = this.#tell()
    this.#telling = telling
    try {
      await telling
    } catch (error) {
      this.#isUntold = true
      throw error
    } finally {
      if (this.#telling === telling) this.#telling = undefined
    }
  }

  /** Ends when no write is under way that began while blocks were missing: from then on each write forgets what it replaces. */
  async earlyWrites(): Promise<void> {
    await Promise.allSettled(this.#early)
  }

  /** Adds the blocks in which such a write failed: they hold who knows what. */
  addTorn(blocks: Bitfield): void {
    if (this.#torn) blocks.or(this.#torn)
    this.#torn?.free()
    this.#torn = undefined
  }

  /** Also a block that has arrived and was written then must be told: what is not known to be here would be fetched again. */
  async #tell(): Promise<void> {
    const { digests } = this.#journal
    const own = this.#cache.ownBlocks()
    try {
      await this.inner.flush()
      // Everything has come meanwhile, and digests are those of what is stored.
      if (!this.#isIncomplete) return
      own.andNot(digests.known)
      own.forEachRun((start, count) => {
        for (let block = start; block < start + count; block++) digests.noteDigests(block, WRITTEN_HERE)
      })
    } finally {
      own.free()
    }
    await this.#journal.checkpoint({ flush: () => this.inner.flush() })
  }

  get #isIncomplete(): boolean {
    return this.#journal.ownership?.missing === true
  }

  async #write(offset: number, length: number, work: () => Promise<number>): Promise<number> {
    if (this.#isIncomplete) return this.#writeEarly(offset, length, work)
    if (!this.#intents) return work()
    try {
      await this.#intents.beforeWrite(offset, length)
      return await work()
    } finally {
      this.#intents.afterWrite(offset, length)
    }
  }

  async #writeEarly(offset: number, length: number, work: () => Promise<number>): Promise<number> {
    const writing = work()
    this.#early.add(writing)
    try {
      return await writing
    } catch (error) {
      const { blockSize, numBlocks } = this.#cache
      this.#torn ??= new Bitfield(numBlocks)
      const end = Math.min(Math.ceil((offset + length) / blockSize), numBlocks)
      for (let block = Math.max(0, Math.floor(offset / blockSize)); block < end; block++) this.#torn.set(block)
      throw error
    } finally {
      this.#early.delete(writing)
      this.#isUntold = true
    }
  }
}
