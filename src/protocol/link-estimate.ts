import { FRESH_RATE_MS, FRESH_TRIP_MS } from './limits.ts'

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
 */
export class LinkEstimate {
  #delivered = 0
  /** Best rates, in bytes a millisecond, of the current and the previous spell. */
  #rate = 0
  #previousRate = 0
  #rateSince = 0
  #tripMs = Number.POSITIVE_INFINITY
  #tripAt = 0

  departs(nowMs: number): Departure {
    return { atMs: nowMs, delivered: this.#delivered }
  }

  answered({ atMs, delivered }: Departure, bytes: number, nowMs: number): void {
    this.#delivered += bytes
    const tripMs = Math.max(SHORTEST_MS, nowMs - atMs)
    if (tripMs <= this.#tripMs) {
      this.#tripMs = tripMs
      this.#tripAt = nowMs
    }
    if (nowMs - this.#rateSince > Math.max(FRESH_RATE_MS, 4 * this.#tripMs)) {
      this.#previousRate = this.#rate
      this.#rate = 0
      this.#rateSince = nowMs
    }
    this.#rate = Math.max(this.#rate, (this.#delivered - delivered) / tripMs)
  }

  /** Whether the shortest round trip was seen so long ago that the way may have become longer: only an empty link tells. */
  isStale(nowMs: number): boolean {
    return nowMs - this.#tripAt > FRESH_TRIP_MS
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

  /** Bytes that are on their way when the link is just full. */
  get pipeBytes(): number {
    return Number.isFinite(this.#tripMs) ? Math.max(this.#rate, this.#previousRate) * this.#tripMs : 0
  }
}
