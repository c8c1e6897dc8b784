import { addBlocks, type BlockOrder, type BlockRun } from './block-order.ts'
import { PRIORITY_REQUESTS } from './limits.ts'

/**
 * Asked-for blocks first, first come first served; otherwise what the order behind it says. It keeps no set of its own: the order behind
 * it does, and a request for a block that has already gone is void.
 */
export class PriorityBlockOrder implements BlockOrder {
  readonly numBlocks: number
  readonly #next: BlockOrder
  readonly #requested = new Set<number>()
  readonly #run: BlockRun = { start: 0, count: 1, type: 'priority' }

  onUrgent: (() => void) | undefined

  constructor(next: BlockOrder) {
    this.numBlocks = next.numBlocks
    this.#next = next
  }

  /**
   * Asks for a block before its turn. A repeated request keeps its first place in the queue.
   * False when the block has already been handed out or removed, or when `PRIORITY_REQUESTS` are waiting.
   */
  prioritise(block: number): boolean {
    if (!this.#next.has(block)) return false
    if (this.#requested.size >= PRIORITY_REQUESTS && !this.#requested.has(block)) return false
    // A Set keeps the order of first insertion: it is the queue and the check for repeats in one.
    this.#requested.add(block)
    this.onUrgent?.()
    return true
  }

  get available(): number {
    return this.#next.available
  }

  get urgent(): number {
    return this.#requested.size
  }

  addAll(): void {
    this.#next.addAll()
  }

  add(block: number): void {
    this.#next.add(block)
  }

  addRun(start: number, count: number): void {
    addBlocks(this.#next, start, count)
  }

  remove(block: number): void {
    this.#requested.delete(block)
    this.#next.remove(block)
  }

  has(block: number): boolean {
    return this.#next.has(block)
  }

  next(limit = 1): BlockRun | undefined {
    if (this.#requested.size > 0) {
      for (const block of this.#requested) {
        this.#requested.delete(block)
        if (!this.#next.has(block)) continue
        this.#next.remove(block)
        this.#run.start = block
        return this.#run
      }
    }
    return this.#next.next(limit)
  }

  takeFrom(block: number, limit: number): number {
    return this.#next.takeFrom(block, limit)
  }

  /** What is asked for still goes before what is likely to be. */
  afterSwitch(): void {
    this.#next.afterSwitch?.()
  }
}
