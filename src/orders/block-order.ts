/** What kind of block an order hands out: it decides which concurrency limit the block counts against. */
export type BlockType = 'standard' | 'dirty' | 'priority'

/** Neighbouring blocks handed out together. The order owns the object and fills it anew on each call. */
export interface BlockRun {
  /** Number of the first block. */
  start: number
  /** How many blocks, at least 1. */
  count: number
  type: BlockType
}

/**
 * A set of blocks still to be moved and the decision which goes next. A block handed out has left the set; `add` puts it back.
 *
 * Orders chain: one that has nothing to say asks the order behind it, and `add`, `addAll` and `remove` reach all of them.
 */
export interface BlockOrder {
  /** Blocks of the disk. */
  readonly numBlocks: number
  /** Blocks in the set now; a kept count, not a scan. */
  readonly available: number
  /** Blocks asked for before their turn; absent when the order knows no such thing. May count requests that are void by now. */
  readonly urgent?: number
  /** Called when a block becomes urgent, so that whoever waits for a slot looks again. Set by the migrator. */
  onUrgent?: (() => void) | undefined
  addAll(): void
  /** Puts a block in; no effect when it is in already. */
  add(block: number): void
  /** As {@link add} for each of neighbouring blocks; absent when the order knows no quicker way. {@link addBlocks} works with every order. */
  addRun?(start: number, count: number): void
  /** Takes a block out unmoved; no effect when it is not in. */
  remove(block: number): void
  has(block: number): boolean
  /**
   * Takes the next block and up to `limit - 1` available neighbours right behind it; undefined when the set is empty.
   * The run is borrowed until the next call.
   */
  next(limit?: number): BlockRun | undefined
  /** Takes up to `limit` available blocks from `block` on without a gap, whatever their turn; returns how many. For ranges known to cost nothing. */
  takeFrom(block: number, limit: number): number
  /**
   * The disk was handed over, and the set is what its new owner lacks: blocks it is likely to want soon go first from here on. Reaches the orders
   * behind this one; absent when it makes no difference.
   */
  afterSwitch?(): void
}

/** Puts neighbouring blocks in, as quickly as the order can. */
export function addBlocks(order: BlockOrder, start: number, count: number): void {
  if (order.addRun) order.addRun(start, count)
  else for (let block = start; block < start + count; block++) order.add(block)
}
