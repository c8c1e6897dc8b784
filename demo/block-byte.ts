/**
 * What the map knows of a block, in one byte, so that a snapshot of a disk is one transferable buffer:
 *
 *      7   6   5   4   3   2   1   0
 *    +---------------+---+---+-------+
 *    |     heat      | - | D | state |      D = holds data (else zeroes)
 *    +---------------+---+---+-------+
 */
export const STATE_MASK = 0b11
export const HOLDS_DATA = 0b100
export const HEAT_SHIFT = 4

/** State numbers, as the migrator reports them. */
export const NOT_YET = 0
export const MOVING = 1
export const MOVED = 2
export const DIRTY = 3

/** How many blocks are in which state. */
export interface BlockCounts {
  /** Not yet moved, and nothing but zeroes. */
  empty: number
  /** Not yet moved. */
  waiting: number
  moving: number
  moved: number
  dirty: number
  /** Written a moment ago, in whatever state. */
  hot: number
}

/** Counts the states in a snapshot. */
export function countBlocks(blocks: Uint8Array): BlockCounts {
  const counts: BlockCounts = { empty: 0, waiting: 0, moving: 0, moved: 0, dirty: 0, hot: 0 }
  for (const block of blocks) {
    const state = block & STATE_MASK
    if (state === MOVED) counts.moved++
    else if (state === DIRTY) counts.dirty++
    else if (state === MOVING) counts.moving++
    else if (block & HOLDS_DATA) counts.waiting++
    else counts.empty++
    if (block >> HEAT_SHIFT) counts.hot++
  }
  return counts
}
