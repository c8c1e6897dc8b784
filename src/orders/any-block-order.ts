import { Bitfield } from '../bitfield/bitfield.ts'
import { addBlocks, type BlockOrder, type BlockRun } from './block-order.ts'

/**
 * Lowest block first. A cursor remembers below which block nothing is left, so that draining the whole set is one walk over the bits.
 *
 * With an order behind it, that one is asked when this set is empty; a block taken here leaves that one too.
 */
export class AnyBlockOrder implements BlockOrder {
  readonly numBlocks: number
  readonly #blocks: Bitfield
  readonly #next: BlockOrder | undefined
  readonly #run: BlockRun = { start: 0, count: 0, type: 'standard' }
  #count = 0
  #cursor = 0

  constructor(numBlocks: number, next?: BlockOrder) {
    this.#blocks = new Bitfield(numBlocks)
    this.numBlocks = numBlocks
    this.#next = next
  }

  get available(): number {
    return this.#count > 0 ? this.#count : (this.#next?.available ?? 0)
  }

  addAll(): void {
    this.#blocks.setAll()
    this.#count = this.numBlocks
    this.#cursor = 0
    this.#next?.addAll()
  }

  add(block: number): void {
    if (this.#blocks.set(block)) this.#count++
    if (block < this.#cursor) this.#cursor = block
    this.#next?.add(block)
  }

  addRun(start: number, count: number): void {
    const end = start + count
    this.#count += count - this.#blocks.count(start, end)
    this.#blocks.setRange(start, end)
    if (start < this.#cursor) this.#cursor = start
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
    if (this.#count === 0) return this.#next?.next(limit)
    const start = this.#blocks.takeNextSet(this.#cursor)
    this.#count--
    this.#cursor = start + 1
    this.#next?.remove(start)
    const run = this.#run
    run.start = start
    run.count = limit > 1 ? 1 + this.takeFrom(start + 1, limit - 1) : 1
    this.#cursor = start + run.count
    return run
  }

  takeFrom(block: number, limit: number): number {
    const end = this.#blocks.nextClear(block, Math.min(block + limit, this.numBlocks))
    if (end === block) return 0
    this.#blocks.clearRange(block, end)
    this.#count -= end - block
    for (let taken = block; this.#next && taken < end; taken++) this.#next.remove(taken)
    return end - block
  }

  afterSwitch(): void {
    this.#next?.afterSwitch?.()
  }
}
