import { checkInteger } from '../errors/invalid-argument-error.ts'
import { FRUITLESS_ROUNDS, PAUSE_MS, ROUNDS, TARGET_PAUSE_MS, WORTHWHILE_SHARE } from './limits.ts'
import { checkDuration } from './migrator-config.ts'

/** Bounds of a live migration. */
export interface ConvergenceLimits {
  /** Rounds over dirty blocks; infinite for a caller who ends the migration by a signal. */
  readonly maxRounds: number
  /** Longest predicted pause with which the writer is stopped. */
  readonly maxPauseMs: number
  /** A predicted pause not worth another round. */
  readonly targetPauseMs: number
}

/** The bounds asked for, checked, and the usual ones for the rest. @throws InvalidArgumentError */
export function convergenceLimits(asked: Partial<ConvergenceLimits>): ConvergenceLimits {
  const { maxRounds = ROUNDS, maxPauseMs = PAUSE_MS, targetPauseMs = TARGET_PAUSE_MS } = asked
  if (maxRounds !== Number.POSITIVE_INFINITY) checkInteger('maxRounds', maxRounds)
  checkDuration('maxPauseMs', maxPauseMs)
  checkDuration('targetPauseMs', targetPauseMs)
  return { maxRounds, maxPauseMs, targetPauseMs }
}

/** What to do next: another round over the dirty blocks, stop the writer, or report that it will not get better. */
export type ConvergenceStep = 'round' | 'lock' | 'give-up'

/**
 * Decides when the writer is stopped: rounds go on while they shorten the predicted pause. Once they do not, the pause is as short as it
 * gets; it is taken if it is short enough, otherwise rounds go on in the hope of a calmer writer, up to the limit.
 */
export class Convergence {
  readonly #limits: ConvergenceLimits
  #shortestMs = Number.POSITIVE_INFINITY
  #fruitless = 0

  constructor(limits: ConvergenceLimits) {
    this.#limits = limits
  }

  /** To be asked after each pass; `round` is the number of dirty rounds done, `sendMs` the part of the pause that another round could shorten. */
  next(round: number, { predictedPauseMs, sendMs }: { predictedPauseMs: number; sendMs: number }): ConvergenceStep {
    const { maxRounds, maxPauseMs, targetPauseMs } = this.#limits
    if (sendMs <= targetPauseMs && predictedPauseMs <= maxPauseMs) return 'lock'
    if (predictedPauseMs < this.#shortestMs * (1 - WORTHWHILE_SHARE)) this.#fruitless = 0
    else this.#fruitless++
    this.#shortestMs = Math.min(this.#shortestMs, predictedPauseMs)
    const reached = this.#fruitless >= FRUITLESS_ROUNDS || round >= maxRounds
    if (reached && predictedPauseMs <= maxPauseMs) return 'lock'
    return round >= maxRounds ? 'give-up' : 'round'
  }
}
