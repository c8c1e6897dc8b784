import { RATE_WINDOW_MS } from './limits.ts'

/** What a migration is doing; `rest`: the disk was handed over, and what its new owner lacks is on the way. */
export type MigrationPhase = 'full' | 'verify' | 'dirty' | 'locked' | 'rest' | 'done'

/** State of a block as pictures show it. */
export const BLOCK_STATE = { notYet: 0, moving: 1, moved: 2, dirty: 3 } as const

/** Tells what became of each block; for pictures, since it looks at all of them. */
export interface BlockStateReader {
  /** Writes one {@link BLOCK_STATE} for each block from 0 on to `target`, as many as fit. */
  blockStates(target: Uint8Array): void
}

/** How a migration goes. Rates are averages of about the last second. */
export interface MigrationProgress {
  readonly phase: MigrationPhase
  /** 0 for the first pass, then the number of the dirty round. */
  readonly round: number
  readonly totalBlocks: number
  /** Blocks that reached the destination and are not waiting to be sent again; written since or not. */
  readonly movedBlocks: number
  /** Blocks that wait for their turn. */
  readonly pendingBlocks: number
  /** Blocks under way. */
  readonly activeBlocks: number
  /** Blocks written at the source since they were read. */
  readonly dirtyBlocks: number
  /** Bytes stored at the destination, repetitions and zeroes included. */
  readonly bytesMoved: number
  readonly bytesPerSecond: number
  /** Bytes of blocks that became dirty. */
  readonly dirtyBytesPerSecond: number
  /** Time until what is pending now is moved; undefined while no rate is known. */
  readonly timeLeftMs: number | undefined
  /** How long the writer would wait if it were stopped now; undefined before the first blocks have moved. */
  readonly predictedPauseMs: number | undefined
  /** From start to end if nothing changes, infinite when it does not end; undefined before the first blocks have moved, and where nobody decides about rounds. */
  readonly predictedDurationMs: number | undefined
}

/** The rate of a growing total: an average whose weight fades with age. */
export class RateMeter {
  #at: number | undefined
  #total = 0
  #perMs = 0
  /** Share of the window that has been seen, so that the first second is not shown as slow. */
  #weight = 0

  /** Notes the total as of now. */
  note(nowMs: number, total: number): void {
    if (this.#at === undefined) {
      this.#at = nowMs
      this.#total = total
      return
    }
    const elapsed = nowMs - this.#at
    if (elapsed <= 0) return
    const keep = Math.exp(-elapsed / RATE_WINDOW_MS)
    this.#perMs = this.#perMs * keep + ((total - this.#total) / elapsed) * (1 - keep)
    this.#weight = this.#weight * keep + (1 - keep)
    this.#at = nowMs
    this.#total = total
  }

  /** Units per second; 0 until two totals were noted. */
  get perSecond(): number {
    return this.#weight === 0 ? 0 : (this.#perMs / this.#weight) * 1000
  }
}
