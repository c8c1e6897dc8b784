import { FRESH_RATE_MS, FRESH_TRIP_MS, FRESH_TRIPS, LEAST_FRESH_TRIP_MS, RATE_SPAN_MS } from './limits.ts'

/** A request on its way, as noted when it left. */
export interface Departure {
  readonly atMs: number
  /** Bytes that had been answered by then. */
  readonly delivered: number
}

/** Shortest time counted: clocks of browsers are coarse, and a rate must stay finite. */
const SHORTEST_MS = 0.05

/**
 * What the link carries, learned from requests and their answers: the best delivery rate lately seen and the shortest round trip, as in
 * BBR (https://queue.acm.org/detail.cfm?id=3022184). Their product is what fills the link; more only waits in its buffers.
 *
 * A rate is that of a round trip, or of the last `RATE_SPAN_MS` where trips are shorter: answers share packets and processes share cores, so over
 * less than that a burst would count as a rate.
 */
export class LinkEstimate {
  #delivered = 0
  /** Best rates, in bytes a millisecond, of the current and the previous spell. */
  #rate = 0
  #previousRate = 0
  #rateSince = 0
  #tripMs = Number.POSITIVE_INFINITY
  #tripAt = 0
  /** The last two times at which a span began; the older is at least one span ago, or the link was idle before it. */
  #older: Departure = { atMs: 0, delivered: 0 }
  #newer: Departure = this.#older

  /** `isIdle`: nothing else is on its way. */
  departs(nowMs: number, isIdle: boolean): Departure {
    const departure = { atMs: nowMs, delivered: this.#delivered }
    if (isIdle) {
      this.#older = departure
      this.#newer = departure
    }
    return departure
  }

  answered(departure: Departure, bytes: number, nowMs: number): void {
    this.#delivered += bytes
    const tripMs = Math.max(SHORTEST_MS, nowMs - departure.atMs)
    if (tripMs <= this.#tripMs) {
      this.#tripMs = tripMs
      this.#tripAt = nowMs
    }
    if (nowMs - this.#rateSince > Math.max(FRESH_RATE_MS, 4 * this.#tripMs)) {
      this.#previousRate = this.#rate
      this.#rate = 0
      this.#rateSince = nowMs
    }
    const { atMs, delivered } = tripMs < RATE_SPAN_MS ? this.#older : departure
    this.#rate = Math.max(this.#rate, (this.#delivered - delivered) / Math.max(SHORTEST_MS, nowMs - atMs))
    if (nowMs - this.#newer.atMs < RATE_SPAN_MS) return
    this.#older = this.#newer
    this.#newer = { atMs: nowMs, delivered: this.#delivered }
  }

  /** Whether the shortest round trip was seen so long ago that the way may have become longer: only an empty link tells. */
  isStale(nowMs: number): boolean {
    const freshMs = Math.min(FRESH_TRIP_MS, Math.max(LEAST_FRESH_TRIP_MS, FRESH_TRIPS * this.#tripMs))
    return nowMs - this.#tripAt > freshMs
  }

  /** Takes the next round trips as new ones: those noted so far may be those of another way. */
  forgetTrip(nowMs: number): void {
    this.#tripMs = Number.POSITIVE_INFINITY
    this.#tripAt = nowMs
  }

  /** Whether anything has been answered yet. */
  get isKnown(): boolean {
    return this.#delivered > 0
  }

  /** Bytes a millisecond; infinite while unknown. */
  get rate(): number {
    return Math.max(this.#rate, this.#previousRate) || Number.POSITIVE_INFINITY
  }

  /** Bytes that are on their way when the link is just full. */
  get pipeBytes(): number {
    return Number.isFinite(this.#tripMs) ? this.rate * this.#tripMs : 0
  }
}
