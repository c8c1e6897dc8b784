import { Bitfield } from '../bitfield/bitfield.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { WaitingCache } from '../modules/waiting-cache.ts'
import { matchTags } from '../protocol/packets/write-checked.ts'
import type { PatchedBlocks } from '../protocol/patched-blocks.ts'
import { DIGEST_BYTES } from '../storage/block-hasher.ts'
import type { IoOptions } from '../storage/provider.ts'
import { readFully } from '../storage/sequential-reader.ts'
import { StorageWrapper } from '../storage/wrapper.ts'
import { Checkpoints } from './checkpoints.ts'
import type { DiskJournal } from './disk-journal.ts'

/**
 * What a source may do to the disk now. `open`: write any block. `missing`: the disk has been handed over, only blocks that are missing are taken,
 * others pass as stored. `closed`: nothing.
 */
export type Admission = 'open' | 'missing' | 'closed'

type FaceJournal = Pick<DiskJournal, 'digests' | 'forget' | 'forgetBlocks' | 'checkpoint' | 'isForgetting'>

/**
 * The face of an arriving disk for one connection: lets blocks in or not, and keeps their digests. Once ended it takes nothing, whatever of its
 * connection is still waiting to be stored.
 */
export class ArrivingFace extends StorageWrapper {
  readonly #cache: WaitingCache
  readonly #journal: FaceJournal
  readonly #blockSize: number
  readonly #checkpoints: Checkpoints
  #admission: Admission = 'closed'
  /** What a dirty list has voided is being forgotten durably: until then nothing may be stored. */
  #forgetting: Promise<void> | undefined
  #running = 0
  #idle: (() => void)[] = []
  zeroAt: (offset: number, length: number) => Promise<number>

  constructor(cache: WaitingCache, journal: FaceJournal) {
    super(cache.remote)
    this.#cache = cache
    this.#journal = journal
    this.#blockSize = cache.blockSize
    this.#checkpoints = new Checkpoints(journal, () => cache.remote.flush())
    const { remote } = cache
    this.zeroAt = (offset, length) =>
      this.#write({ offset, length }, async (from, to) => {
        if (remote.zeroAt) await remote.zeroAt(from, to - from)
        else await writeZeroes(remote, from, to)
        this.#note(from, to, undefined)
      })
  }

  get admission(): Admission {
    return this.#admission
  }

  set admission(admission: Admission) {
    this.#admission = admission
  }

  override writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    return this.#write({ offset, length: data.length }, async (from, to) => {
      const bytes = data.subarray(from - offset, to - offset)
      await this.inner.writeAt(bytes, from, options)
      this.#note(from, to, bytes)
    })
  }

  /**
   * As `writeAt`, for whole blocks with their tags: nothing of them is stored, shown to whoever waits or known unless all are what their tags say.
   * @throws StorageError `DAMAGED`
   */
  async writeChecked(data: Uint8Array, offset: number, tags: Uint8Array): Promise<number> {
    this.#checkAdmission()
    const hashed = this.#journal.digests.hash(data)
    if (!matchTags(tags, hashed)) throw new StorageError('DAMAGED', undefined, { context: { offset } })
    return this.#storeHashed(data, offset, hashed)
  }

  /**
   * Changes pieces of blocks that are here and void, if they become what they should. Not after the hand-over: then what is here may be this side's own.
   * @throws StorageError `DAMAGED`
   */
  async writePatched({ offset, length, digests, apply }: PatchedBlocks): Promise<void> {
    if (this.#admission === 'missing') throw new StorageError('DAMAGED', 'What is here may be its new owner\u2019s.')
    this.#checkAdmission()
    const blocks = new Uint8Array(length)
    await readFully(this.inner, blocks, offset)
    apply(blocks)
    const hashed = this.#journal.digests.hash(blocks)
    if (hashed.some((byte, index) => byte !== digests[index])) {
      throw new StorageError('DAMAGED', 'A patch does not fit what is here.', { context: { offset } })
    }
    await this.#storeHashed(blocks, offset, hashed)
  }

  #storeHashed(data: Uint8Array, offset: number, hashed: Uint8Array): Promise<number> {
    return this.#write({ offset, length: data.length }, async (from, to) => {
      await this.inner.writeAt(data.subarray(from - offset, to - offset), from)
      const first = offset / this.#blockSize
      this.#forEachNew(from / this.#blockSize, Math.ceil(to / this.#blockSize), (start, end) => {
        const digests = hashed.subarray((start - first) * DIGEST_BYTES, (end - first) * DIGEST_BYTES)
        this.#journal.digests.noteDigests(start, digests)
      })
      this.#checkpoints.passed(to - from)
    })
  }

  /** What is known is told with it: else all of it would be told for the first time when the writer waits. */
  override flush(): Promise<void> {
    return this.#journal.checkpoint({ flush: () => this.inner.flush() })
  }

  /** The source has written these blocks since it sent them. Resolves when nothing remembers what they were. */
  async invalidate(blocks: Uint32Array): Promise<void> {
    if (this.#admission !== 'open') throw new StorageError('LOCKED', 'The disk is being handed over, or was.')
    const field = new Bitfield(this.#cache.numBlocks)
    for (const block of blocks) field.set(block)
    this.#cache.remote.invalidate(field)
    const before = this.#forgetting
    const forgetting = Promise.all([before, this.#journal.forgetBlocks(field)]).then(() => {})
    this.#forgetting = forgetting
    try {
      await forgetting
    } finally {
      field.free()
      if (this.#forgetting === forgetting) this.#forgetting = undefined
    }
  }

  /** Takes nothing any more; resolves when nothing is being stored. */
  async end(): Promise<void> {
    this.#admission = 'closed'
    await this.idle()
  }

  /** Resolves when nothing is being stored. */
  idle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  async #write(
    { offset, length }: { offset: number; length: number },
    store: (from: number, to: number) => Promise<void>,
  ): Promise<number> {
    this.#checkAdmission()
    this.#running++
    try {
      if (this.#forgetting) await this.#forgetting
      if (this.#admission === 'missing') await this.#storeMissing(offset, length, store)
      else {
        await this.#forget(offset, length)
        await store(offset, offset + length)
      }
      return length
    } finally {
      this.#running--
      if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve()
    }
  }

  #checkAdmission(): void {
    if (this.#admission !== 'closed') return
    throw new StorageError('LOCKED', 'No blocks are taken now: the disk is being handed over, or was.')
  }

  /**
   * Blocks that are here belong to this side: the source sends a block for the first time, or has nothing to say. What is known of those must stay
   * known too: a block that was written and flushed here, and is forgotten, would be fetched again after a kill.
   */
  async #storeMissing(
    offset: number,
    length: number,
    store: (from: number, to: number) => Promise<void>,
  ): Promise<void> {
    const cache = this.#cache
    const end = Math.ceil((offset + length) / this.#blockSize)
    for (let block = Math.floor(offset / this.#blockSize); block < end; ) {
      if (cache.isPresent(block)) {
        block++
        continue
      }
      const first = block
      while (block < end && !cache.isPresent(block)) block++
      const [from, to] = [Math.max(offset, first * this.#blockSize), Math.min(offset + length, block * this.#blockSize)]
      await this.#forget(from, to - from)
      await store(from, to)
    }
  }

  /** A write that fails or is cut short leaves who knows what: it must not be known as what was there before. */
  async #forget(offset: number, length: number): Promise<void> {
    if (length === 0) return
    const start = Math.floor(offset / this.#blockSize)
    const end = Math.ceil((offset + length) / this.#blockSize)
    // What another call is forgetting, or could not forget, is not known here any more, and may be claimed by the place.
    const mayBeClaimed = this.#journal.isForgetting || this.#journal.digests.known.nextSet(start, end) >= 0
    if (mayBeClaimed) await this.#journal.forget(start, end - start)
  }

  /**
   * Visits runs of what has arrived that are to be noted. After the hand-over a block that is known stays as it is: noted anew it would count as not
   * flushed, and what was written here meanwhile, flushed and told, would be fetched again after a power loss.
   */
  #forEachNew(start: number, end: number, visit: (start: number, end: number) => void): void {
    if (this.#admission !== 'missing') {
      visit(start, end)
      return
    }
    const { known } = this.#journal.digests
    for (let from = known.nextClear(start, end); from < end; ) {
      const next = known.nextSet(from, end)
      const to = next < 0 ? end : next
      visit(from, to)
      from = known.nextClear(to, end)
    }
  }

  #note(from: number, to: number, bytes: Uint8Array | undefined): void {
    const { digests } = this.#journal
    const start = Math.ceil(from / this.#blockSize)
    const end = to === this.size ? Math.ceil(to / this.#blockSize) : Math.floor(to / this.#blockSize)
    // Parts of blocks make nothing present, and nothing known.
    if (start >= end) return
    this.#forEachNew(start, end, (start, end) => {
      const at = (block: number) => Math.min(to, block * this.#blockSize) - from
      if (bytes) digests.note(start, bytes.subarray(at(start), at(end)))
      else digests.noteZero(start, end - start)
    })
    // Zeroes are runs in the journal, however long, and cost nothing to send again.
    if (bytes) this.#checkpoints.passed(bytes.length)
  }
}

async function writeZeroes(remote: WaitingCache['remote'], from: number, to: number): Promise<void> {
  const zeroes = new Uint8Array(Math.min(to - from, 2 ** 20))
  for (let at = from; at < to; at += zeroes.length) {
    await remote.writeAt(zeroes.subarray(0, Math.min(zeroes.length, to - at)), at)
  }
}
