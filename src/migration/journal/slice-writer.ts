import { Bitfield } from '../../bitfield/bitfield.ts'
import { type BlockDigests, PAGE_BLOCKS, SLICE_BLOCKS } from '../../storage/block-digests.ts'
import { pageBits } from '../../storage/page-claims.ts'
import { JOURNAL_WRITES } from '../limits.ts'
import { type DigestPages, PAGE_SLICES } from './digest-pages.ts'
import { PAGE_KIND, type PageKind, type PageMap } from './page-map.ts'

/** A flush of the disk that is under way. */
interface FlushUnderWay {
  /** Blocks noted before it began. */
  readonly covered: Bitfield
  /** Slices that were written meanwhile, and say of such blocks that no flush has covered them. */
  readonly doubted: Bitfield
}

/** Neighbouring slices ready to be written. */
interface SliceRun {
  readonly first: number
  readonly bytes: Uint8Array
}

/** What one store is to write, and what the map says once it is written. */
interface Plan {
  readonly runs: SliceRun[]
  readonly kinds: { readonly first: number; readonly count: number; readonly kind: PageKind }[]
}

/**
 * Brings slices of digests to the place, and keeps what the place may know. One store at a time.
 *
 * Everything is decided in one go when a store begins, so what is written is what was known at one moment. What fails is written again by
 * the next store. A page that was all zero and comes to be stored is written whole: what lies there is older.
 */
export class SliceWriter {
  /** Slices of which the place may say something. */
  readonly told: Bitfield
  /** Slices of which it shall say nothing until all their blocks are known. */
  readonly struck: Bitfield
  /** Given to what was written last. */
  stamp = 0
  mapChanged = false
  readonly map: PageMap
  readonly #digests: BlockDigests
  readonly pages: DigestPages
  readonly #flushing = new Set<FlushUnderWay>()

  constructor(digests: BlockDigests, pages: DigestPages, map: PageMap) {
    this.#digests = digests
    this.pages = pages
    this.map = map
    this.told = new Bitfield(digests.sliceCount)
    this.struck = new Bitfield(digests.sliceCount)
  }

  /** Whether the place may say something of a slice of neighbouring blocks. */
  isTold(start: number, count: number): boolean {
    const first = Math.floor(start / SLICE_BLOCKS)
    if (count === 0) return false
    const last = Math.floor((start + count - 1) / SLICE_BLOCKS)
    if (first === last) return this.told.test(first)
    return this.told.nextSet(first, last + 1) >= 0
  }

  /** Runs `flush`; when it succeeds, blocks noted before count as flushed, once they have been stored after it. */
  async duringFlush(flush: () => Promise<void>): Promise<void> {
    const covered = this.#digests.takeUnflushed()
    const flushing = { covered, doubted: new Bitfield(this.#digests.sliceCount) }
    this.#flushing.add(flushing)
    try {
      await flush()
      for (const other of this.#flushing) {
        // What another store has said of them meanwhile would not count after a power loss.
        this.#digests.changedAgain(other.doubted)
        if (other === flushing) break
        // One that began before this one and is not over: its blocks were stored before this one began, too.
        other.covered.clearAll()
      }
    } catch (error) {
      this.#digests.unflushedAgain(covered)
      throw error
    } finally {
      this.#flushing.delete(flushing)
      flushing.doubted.free()
      covered.free()
    }
  }

  /** Writes the slices that changed. */
  async store(life: Uint8Array): Promise<void> {
    const changed = this.#digests.takeChangedSlices()
    try {
      await this.#carryOut(this.#plan(life, changed))
    } catch (error) {
      this.#digests.changedAgain(changed)
      throw error
    } finally {
      changed.free()
    }
  }

  /** Writes that nothing is known of some slices; they are struck already. */
  async strike(life: Uint8Array, slices: readonly number[]): Promise<void> {
    const changed = new Bitfield(this.#digests.sliceCount)
    try {
      for (const slice of slices) changed.set(slice)
      await this.#carryOut(this.#plan(life, changed))
    } finally {
      changed.free()
    }
  }

  /** What was struck and written, and possibly the record of it: the place says nothing of these. */
  untold(slices: readonly number[]): void {
    for (const slice of slices) if (this.struck.test(slice)) this.told.clear(slice)
  }

  /** After a flush of the disk: pages of zeroes that it covered need no doubt any more. */
  settleZeroes(): void {
    if (!this.map.holds(PAGE_KIND.zeroUnflushed)) return
    const settled: { first: number; count: number }[] = []
    this.map.forEachRun((first, count, kind) => {
      if (kind !== PAGE_KIND.zeroUnflushed) return
      this.#forEachFlushRun(first, first + count, (first, count, covered) => {
        if (covered === 'all') settled.push({ first, count })
      })
    })
    for (const { first, count } of settled) {
      if (this.map.setRun(first, count, PAGE_KIND.zero)) this.mapChanged = true
    }
  }

  /** The place says nothing any more. */
  forgetAll(): void {
    this.told.clearAll()
    this.struck.clearAll()
    this.map.setRun(0, this.map.pageCount, PAGE_KIND.none)
    const all = new Bitfield(this.#digests.sliceCount)
    all.setAll()
    this.#digests.changedAgain(all)
    all.free()
  }

  free(): void {
    this.told.free()
    this.struck.free()
  }

  /** Visits runs of pages by how much of them is covered by flushes that have ended; those of which a part is come one by one. */
  #forEachFlushRun(
    first: number,
    end: number,
    visit: (first: number, count: number, covered: 'all' | 'part' | 'none') => void,
  ): void {
    const fields = [this.#digests.unflushed, ...Array.from(this.#flushing, ({ covered }) => covered)]
    const stop = Math.min(end * PAGE_BLOCKS, this.#digests.blockCount)
    for (let page = first; page < end; ) {
      let allTo = end
      let noneTo = page
      for (const field of fields) {
        const found = field.nextSet(page * PAGE_BLOCKS, stop)
        if (found < 0) continue
        allTo = Math.min(allTo, Math.floor(found / PAGE_BLOCKS))
        if (found > page * PAGE_BLOCKS) continue
        const clear = field.nextClear(found, stop)
        noneTo = Math.max(noneTo, clear === stop ? end : Math.floor(clear / PAGE_BLOCKS))
      }
      const covered = noneTo > page ? 'none' : allTo > page ? 'all' : 'part'
      const to = { none: noneTo, all: allTo, part: page + 1 }[covered]
      visit(page, to - page, covered)
      page = to
    }
  }

  #plan(life: Uint8Array, changed: Bitfield): Plan {
    const plan: Plan = { runs: [], kinds: [] }
    this.stamp++
    for (let slice = changed.nextSet(0); slice >= 0; ) {
      const page = Math.floor(slice / PAGE_SLICES)
      const zeroEnd = this.#planZeroes(
        plan,
        life,
        page,
        Math.ceil(changed.nextClear(slice, changed.length) / PAGE_SLICES),
      )
      const end = Math.min(Math.max(zeroEnd, page + 1) * PAGE_SLICES, changed.length)
      if (zeroEnd === page) this.#planPage(plan, life, { page, end }, changed)
      slice = changed.nextSet(end)
    }
    return plan
  }

  /** Neighbouring pages of zeroes, before `end`, at once: they may be a terabyte. Returns the page behind them. */
  #planZeroes(plan: Plan, life: Uint8Array, page: number, end: number): number {
    const zeroEnd = this.#digests.knownZeroEnd(page, end)
    if (zeroEnd <= page) return page
    const [first, last] = [page * PAGE_SLICES, Math.min(zeroEnd * PAGE_SLICES, this.told.length)]
    this.struck.clearRange(first, last)
    this.told.setRange(first, last)
    this.#planZeroRun(plan, life, page, zeroEnd)
    return zeroEnd
  }

  /** The map can say of a page that all of it is covered by a flush, or nothing; its slices say it of each block. */
  #planZeroRun(plan: Plan, life: Uint8Array, first: number, end: number): void {
    this.#forEachFlushRun(first, end, (first, count, covered) => {
      if (covered === 'part') this.#planSlices(plan, life, first, this.#slicesOf(first))
      else plan.kinds.push({ first, count, kind: covered === 'all' ? PAGE_KIND.zero : PAGE_KIND.zeroUnflushed })
    })
  }

  #planPage(plan: Plan, life: Uint8Array, { page, end }: { page: number; end: number }, changed: Bitfield): void {
    const first = page * PAGE_SLICES
    for (let slice = this.struck.nextSet(first, end); slice >= 0; slice = this.struck.nextSet(slice + 1, end)) {
      if (this.#isWhole(slice)) this.struck.clear(slice)
    }
    const kind = this.map.kind(page)
    if (this.#digests.isKnownZero(page)) {
      this.told.setRange(first, end)
      this.#planZeroRun(plan, life, page, page + 1)
      return
    }
    const isWhole = kind !== PAGE_KIND.stored && kind !== PAGE_KIND.none
    // What the place says nothing of, and shall say nothing of, need not be said again.
    const wanted = this.#slicesOf(page).filter(
      (slice) => isWhole || (changed.test(slice) && (this.told.test(slice) || this.#isToTell(slice))),
    )
    if (wanted.length > 0) this.#planSlices(plan, life, page, wanted)
  }

  #planSlices(plan: Plan, life: Uint8Array, page: number, wanted: readonly number[]): void {
    for (let at = 0; at < wanted.length; ) {
      let count = 1
      while (wanted[at + count] === wanted[at]! + count) count++
      const slices = { first: wanted[at]!, count }
      plan.runs.push({ first: slices.first, bytes: this.#encode(life, slices) })
      at += count
    }
    plan.kinds.push({ first: page, count: 1, kind: PAGE_KIND.stored })
  }

  #encode(life: Uint8Array, slices: { first: number; count: number }): Uint8Array {
    const page = Math.floor(slices.first / PAGE_SLICES)
    const unflushed = pageBits(this.#digests.unflushed, page)
    for (const { covered, doubted } of this.#flushing) {
      for (const [index, byte] of pageBits(covered, page).entries()) unflushed[index]! |= byte
      const end = (slices.first + slices.count) * SLICE_BLOCKS
      if (covered.nextSet(slices.first * SLICE_BLOCKS, Math.min(end, covered.length)) < 0) continue
      doubted.setRange(slices.first, slices.first + slices.count)
    }
    const isTold = (slice: number) => {
      const tells = this.#isToTell(slice)
      if (tells) this.told.set(slice)
      return tells
    }
    return this.pages.encode(this.#digests, { slices, life, stamp: this.stamp, unflushed, isTold })
  }

  async #carryOut({ runs, kinds }: Plan): Promise<void> {
    for (let at = 0; at < runs.length; at += JOURNAL_WRITES) {
      const writes = runs.slice(at, at + JOURNAL_WRITES).map(({ first, bytes }) => this.pages.write(first, bytes))
      // All of them, also after a failure: the next store may write the same slices.
      const failed = (await Promise.allSettled(writes)).find((end) => end.status === 'rejected')
      if (failed) throw failed.reason
    }
    for (const { first, count, kind } of kinds) if (this.map.setRun(first, count, kind)) this.mapChanged = true
  }

  #slicesOf(page: number): number[] {
    const first = page * PAGE_SLICES
    const count = Math.min(PAGE_SLICES, this.told.length - first)
    return Array.from({ length: count }, (_, index) => first + index)
  }

  #isToTell(slice: number): boolean {
    if (this.struck.test(slice)) return false
    const end = Math.min((slice + 1) * SLICE_BLOCKS, this.#digests.blockCount)
    return this.#digests.known.nextSet(slice * SLICE_BLOCKS, end) >= 0
  }

  /** Whether every block of a slice is known. */
  #isWhole(slice: number): boolean {
    const end = Math.min((slice + 1) * SLICE_BLOCKS, this.#digests.blockCount)
    return this.#digests.known.nextClear(slice * SLICE_BLOCKS, end) === end
  }
}
