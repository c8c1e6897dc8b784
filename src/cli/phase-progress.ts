import { type Clock, systemClock } from '../async/clock.ts'
import { RateMeter } from '../migration/progress.ts'

/** How one phase of a command goes. */
export interface PhaseProgress {
  readonly phase: string
  readonly bytes: number
  readonly totalBytes: number
  readonly bytesPerSecond: number
  /** Undefined while no rate is known. */
  readonly timeLeftMs: number | undefined
  /** More about it, for machines. */
  readonly details?: Readonly<Record<string, unknown>>
}

/** Reports are at least this far apart: a terminal shows no more, and a log should not either. */
const INTERVAL_MS = 100

/** Turns the bytes done so far into reports with a rate and the time left. */
export class PhaseMeter {
  readonly #phase: string
  readonly #totalBytes: number
  readonly #report: (progress: PhaseProgress) => void
  readonly #clock: Clock
  readonly #rate = new RateMeter()
  #reportedAt = Number.NEGATIVE_INFINITY

  constructor(phase: string, totalBytes: number, report: (progress: PhaseProgress) => void, clock = systemClock) {
    this.#phase = phase
    this.#totalBytes = totalBytes
    this.#report = report
    this.#clock = clock
    this.#rate.note(clock.now(), 0)
  }

  /** Notes how many bytes are done; the last report always comes through. */
  note(bytes: number): void {
    const now = this.#clock.now()
    if (now - this.#reportedAt < INTERVAL_MS && bytes < this.#totalBytes) return
    this.#reportedAt = now
    this.#rate.note(now, bytes)
    const bytesPerSecond = this.#rate.perSecond
    const timeLeftMs = bytesPerSecond > 0 ? ((this.#totalBytes - bytes) / bytesPerSecond) * 1000 : undefined
    this.#report({ phase: this.#phase, bytes, totalBytes: this.#totalBytes, bytesPerSecond, timeLeftMs })
  }
}
