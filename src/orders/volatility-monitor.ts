import { type Clock, systemClock } from '../async/clock.ts'
import type { Random } from '../async/random.ts'
import { Bitfield } from '../bitfield/bitfield.ts'
import { checkBlockSize, InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import type { IoOptions, StorageProvider } from '../storage/provider.ts'
import { blockCount, endBlock, firstBlock } from '../storage/range.ts'
import { StorageWrapper } from '../storage/wrapper.ts'
import { addBlocks, type BlockOrder, type BlockRun } from './block-order.ts'
import { HIGHEST_LEVEL, WriteCounters } from './write-counters.ts'

/** After how long a write counts half: long enough to remember what a database writes again and again, short enough to forget a boot. */
export const DEFAULT_HALF_LIFE_MS = 10_000

/** How a monitor forgets. */
export interface VolatilityOptions {
  /** Default: {@link DEFAULT_HALF_LIFE_MS}. */
  halfLifeMs?: number
  clock?: Clock
  /** Randomness of approximate counts; seeded by default. */
  random?: Random
  /** Order asked when this set is empty; it hears every `add` and `remove`. */
  next?: BlockOrder
}

/**
 * A provider and an order in one: counts the writes that pass through it and hands out the calmest blocks first, ties from low to high. What is
 * written often then goes late and is sent again less often.
 *
 * Blocks of one level go in one walk over the set; a walk skips the hotter ones and notes the lowest level it skipped, which the next
 * walk takes. There are 16 levels, so a drain is at most 16 walks.
 */
export class VolatilityMonitor extends StorageWrapper implements BlockOrder {
  readonly numBlocks: number
  readonly #blockSize: number
  readonly #counters: WriteCounters
  readonly #blocks: Bitfield
  readonly #clock: Clock
  readonly #halfLifeMs: number
  readonly #next: BlockOrder | undefined
  readonly #run: BlockRun = { start: 0, count: 0, type: 'standard' }
  #halvedAt: number
  #hottestFirst = false
  #picks = 0
  #count = 0
  #cursor = 0
  /** This walk takes blocks up to this rank. */
  #level = 0
  /** Lowest rank that this walk has skipped. */
  #skipped = HIGHEST_LEVEL + 1
  zeroAt?: (offset: number, length: number) => Promise<number>
  writeAtSync?: (data: Uint8Array, offset: number) => number

  constructor(inner: StorageProvider, blockSize: number, options: VolatilityOptions = {}) {
    super(inner)
    this.#blockSize = checkBlockSize('blockSize', blockSize)
    this.numBlocks = blockCount(inner.size, blockSize)
    this.#counters = new WriteCounters(this.numBlocks, options.random)
    this.#blocks = new Bitfield(this.numBlocks)
    this.#clock = options.clock ?? systemClock
    this.#halfLifeMs = options.halfLifeMs ?? DEFAULT_HALF_LIFE_MS
    if (!(this.#halfLifeMs > 0)) throw new InvalidArgumentError('halfLifeMs', 'more than 0', this.#halfLifeMs)
    this.#halvedAt = this.#clock.now()
    this.#next = options.next
    if (inner.zeroAt) {
      this.zeroAt = (offset, length) => {
        this.#record(offset, length)
        return inner.zeroAt!(offset, length)
      }
    }
    if (inner.writeAtSync) {
      this.writeAtSync = (data, offset) => {
        this.#record(offset, data.length)
        return inner.writeAtSync!(data, offset)
      }
    }
  }

  override writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    this.#record(offset, data.length)
    return this.inner.writeAt(data, offset, options)
  }

  /** Recent writes of a block as a level from 0 (calm) to `HIGHEST_LEVEL`; for pictures. */
  level(block: number): number {
    return this.#counters.level(block)
  }

  /** Bytes of state: one bit a block, and counters where something was written. */
  get byteLength(): number {
    return this.#blocks.byteLength + this.#counters.byteLength
  }

  get available(): number {
    return this.#count > 0 ? this.#count : (this.#next?.available ?? 0)
  }

  addAll(): void {
    this.#blocks.setAll()
    this.#count = this.numBlocks
    this.#startWalk(0)
    this.#next?.addAll()
  }

  add(block: number): void {
    if (this.#blocks.set(block)) this.#count++
    const level = this.#rank(block)
    if (level < this.#level) this.#startWalk(level)
    else if (level === this.#level) this.#cursor = Math.min(this.#cursor, block)
    else this.#skipped = Math.min(this.#skipped, level)
    this.#next?.add(block)
  }

  addRun(start: number, count: number): void {
    const end = start + count
    this.#count += count - this.#blocks.count(start, end)
    this.#blocks.setRange(start, end)
    // Where the calmest of them lies is not looked up now.
    this.#startWalk(0)
    if (this.#next) addBlocks(this.#next, start, count)
  }

  remove(block: number): void {
    if (this.#blocks.clear(block)) this.#count--
    this.#next?.remove(block)
  }

  has(block: number): boolean {
    return this.#blocks.test(block) || (this.#next?.has(block) ?? false)
  }

  next(limit = 1): BlockRun | undefined {
    // Reading the clock costs as much as finding a block.
    if ((this.#picks++ & 63) === 0) this.#forget()
    if (this.#count === 0) return this.#next?.next(limit)
    const start = this.#calmest()
    let end = start + 1
    const last = Math.min(start + limit, this.numBlocks)
    while (end < last && this.#blocks.test(end) && this.#rank(end) <= this.#level) end++
    this.#take(start, end)
    this.#cursor = end
    this.#run.start = start
    this.#run.count = end - start
    return this.#run
  }

  takeFrom(block: number, limit: number): number {
    const end = this.#blocks.nextClear(block, Math.min(block + limit, this.numBlocks))
    this.#take(block, end)
    return end - block
  }

  /** From here on the most volatile blocks go first: who writes a block in part needs the rest of it. */
  afterSwitch(): void {
    this.#hottestFirst = true
    this.#startWalk(0)
    this.#next?.afterSwitch?.()
  }

  /** The place of a block in the order of walks: its level, or how far it is from the highest. */
  #rank(block: number): number {
    const level = this.#counters.level(block)
    return this.#hottestFirst ? HIGHEST_LEVEL - level : level
  }

  /** The first block of the lowest rank there is. The set is not empty. */
  #calmest(): number {
    for (;;) {
      for (let block = this.#blocks.nextSet(this.#cursor); block >= 0; block = this.#blocks.nextSet(block + 1)) {
        const level = this.#rank(block)
        if (level <= this.#level) return block
        if (level < this.#skipped) this.#skipped = level
      }
      // Blocks that were skipped may have been written since: then this level finds nothing either and the walk after it goes higher.
      this.#startWalk(Math.min(this.#skipped, HIGHEST_LEVEL))
    }
  }

  #startWalk(level: number): void {
    this.#level = level
    this.#cursor = 0
    this.#skipped = HIGHEST_LEVEL + 1
  }

  #take(start: number, end: number): void {
    if (end - start === 1) this.#blocks.clear(start)
    else if (end > start) this.#blocks.clearRange(start, end)
    this.#count -= end - start
    for (let block = start; this.#next && block < end; block++) this.#next.remove(block)
  }

  #record(offset: number, length: number): void {
    if (!(offset >= 0 && offset < this.size) || length === 0) return
    this.#forget()
    const end = endBlock(offset, Math.min(length, this.size - offset), this.#blockSize)
    for (let block = firstBlock(offset, this.#blockSize); block < end; block++) this.#counters.record(block)
  }

  /** Lets time pass for the counters; levels may have fallen, so the walk starts anew. */
  #forget(): void {
    const halvings = Math.floor((this.#clock.now() - this.#halvedAt) / this.#halfLifeMs)
    if (halvings < 1) return
    this.#halvedAt += halvings * this.#halfLifeMs
    for (let round = Math.min(halvings, HIGHEST_LEVEL); round > 0; round--) this.#counters.halve()
    this.#startWalk(0)
  }
}
