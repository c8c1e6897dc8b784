import { RESENT_SHARE } from './limits.ts'

/** What a forecast is made from. */
export interface Measured {
  readonly elapsedMs: number
  /** Blocks to be moved when it began. */
  readonly plannedBlocks: number
  readonly movedBlocks: number
  /** Blocks that wait for their turn. */
  readonly pendingBlocks: number
  readonly dirtyBlocks: number
  readonly isFirstPass: boolean
}

/** How a live migration will go on if nothing changes. */
export interface Forecast {
  /** From the start to the end; infinite when it does not end. */
  readonly durationMs: number
  readonly msPerBlock: number
  /** Blocks that become dirty in a millisecond, once all of them are tracked. */
  readonly dirtyPerMs: number
}

/**
 * Predicts the end of a live migration. Early in the first pass hardly a block is tracked and hardly a write counts; so the dirty rate is the
 * count over the time weighted with the share of blocks that were tracked.
 */
export class Forecaster {
  #trackedMs = 0
  #notedAtMs = 0

  /** To be told now and then, with the share of blocks that have been moved. */
  note(elapsedMs: number, movedShare: number): void {
    this.#trackedMs += (elapsedMs - this.#notedAtMs) * Math.min(1, movedShare)
    this.#notedAtMs = elapsedMs
  }

  /** `dirtiedBlocks` counts all so far. Undefined while nothing has been moved. */
  predict(
    measured: Measured,
    { dirtiedBlocks, canSwitch }: { dirtiedBlocks: number; canSwitch: boolean },
  ): Forecast | undefined {
    const { elapsedMs, plannedBlocks, movedBlocks, pendingBlocks, dirtyBlocks, isFirstPass } = measured
    if (movedBlocks === 0) return undefined
    const msPerBlock = elapsedMs / movedBlocks
    const dirtyPerMs = this.#trackedMs > 0 ? dirtiedBlocks / this.#trackedMs : 0
    if (canSwitch) {
      // After the switch nothing becomes dirty, and before it no more than this.
      const toCome = Math.max(0, plannedBlocks * RESENT_SHARE - dirtiedBlocks)
      return { durationMs: elapsedMs + (pendingBlocks + dirtyBlocks + toCome) * msPerBlock, msPerBlock, dirtyPerMs }
    }
    const share = dirtyPerMs * msPerBlock
    // Of what is pending in the first pass half is tracked on average.
    const toCome = dirtyBlocks + share * pendingBlocks * (isFirstPass ? 0.5 : 1)
    const rounds = share < 1 ? toCome / (1 - share) : toCome > 0 ? Number.POSITIVE_INFINITY : 0
    return { durationMs: elapsedMs + (pendingBlocks + rounds) * msPerBlock, msPerBlock, dirtyPerMs }
  }
}
