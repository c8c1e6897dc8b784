import { abortError } from '../async/abort.ts'
import { onAbort } from '../async/abort-watch.ts'
import { type Clock, systemClock } from '../async/clock.ts'
import {
  FIRST_WINDOW_BYTES,
  HURRY_MS,
  LEAST_REQUESTS,
  LEAST_WINDOW_BYTES,
  LONG_REQUEST_MS,
  PIPE_GAIN,
  WINDOW_BYTES,
} from './limits.ts'
import { type Departure, LinkEstimate } from './link-estimate.ts'

/** Credit taken for one request. */
export interface Credit extends Departure {
  readonly bytes: number
}

interface WaitingRequest {
  readonly bytes: number
  readonly go: (credit: Credit) => void
  readonly stop: (reason: unknown) => void
}

/**
 * Bytes of requests that may be unanswered at once: twice what the link holds, never more than the peer allows. Beyond that, bytes only
 * wait in buffers where no urgent request can pass them; just what it holds while the peer waits for something. Who finds the window used up waits, first come first served; a request larger
 * than the whole window passes alone.
 *
 * Every `FRESH_TRIP_MS` the window shrinks to its least for one round trip, since the shortest trip shows only when nothing waits in front.
 */
export class SendWindow {
  /** What the peer allows, in bytes. */
  limit = WINDOW_BYTES
  /** What is always allowed, in bytes. */
  readonly #least: number
  readonly #clock: Clock
  readonly #link = new LinkEstimate()
  readonly #waiting: WaitingRequest[] = []
  #hurriedAt = Number.NEGATIVE_INFINITY
  #used = 0
  #end: { readonly reason: unknown } | undefined
  /** Since when the window is shrunk; undefined while it is not. */
  #probeSince: number | undefined

  /** `requestBytes`: those of the usual request. */
  constructor(clock: Clock = systemClock, requestBytes = 0) {
    this.#clock = clock
    this.#least = Math.max(LEAST_WINDOW_BYTES, LEAST_REQUESTS * requestBytes)
  }

  get usedBytes(): number {
    return this.#used
  }

  /** What may be under way now, in bytes. */
  get bytes(): number {
    if (!this.#link.isKnown) return Math.min(this.limit, FIRST_WINDOW_BYTES)
    const gain = this.isHurried ? 1 : PIPE_GAIN
    const wanted = this.#probeSince === undefined ? gain * this.#link.pipeBytes : 0
    return Math.min(this.limit, Math.max(this.wantsShort ? LEAST_WINDOW_BYTES : this.#least, wanted))
  }

  /** The peer waits for something: for `HURRY_MS`, no more should be under way than the link holds. */
  hurry(): void {
    this.#hurriedAt = this.#clock.now()
  }

  get isHurried(): boolean {
    return this.#clock.now() - this.#hurriedAt < HURRY_MS
  }

  /** Whether requests should be short, since what comes behind a long one would wait: the peer does, or the link is slow. */
  get wantsShort(): boolean {
    return this.isHurried || this.#link.rate * LONG_REQUEST_MS < this.#least / LEAST_REQUESTS
  }

  /** Takes credit for a request; to be given back with {@link release}, whatever becomes of the request. */
  acquire(bytes: number, signal?: AbortSignal): Promise<Credit> | Credit {
    if (this.#end) return Promise.reject(this.#end.reason)
    if (this.#waiting.length === 0 && this.#fits(bytes)) return this.#take(bytes)
    return new Promise((resolve, reject) => {
      const over =
        signal &&
        onAbort(signal, () => {
          this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
          reject(abortError(signal))
        })
      const go = (credit: Credit) => {
        over?.()
        resolve(credit)
      }
      const stop = (reason: unknown) => {
        over?.()
        reject(reason)
      }
      const waiting = { bytes, go, stop }
      this.#waiting.push(waiting)
    })
  }

  /** `answered`: whether the peer has answered, which is what tells about the link. */
  release(credit: Credit, answered: boolean): void {
    this.#used -= credit.bytes
    if (answered) this.#learn(credit)
    while (this.#waiting.length > 0 && this.#fits(this.#waiting[0]!.bytes)) {
      const next = this.#waiting.shift()!
      next.go(this.#take(next.bytes))
    }
  }

  /** Ends every wait, now and later, with the reason. */
  stop(reason: unknown): void {
    this.#end ??= { reason }
    for (const { stop } of this.#waiting.splice(0)) stop(reason)
  }

  #learn(credit: Credit): void {
    const now = this.#clock.now()
    if (this.#probeSince === undefined) {
      if (this.#link.isStale(now)) this.#probeSince = now
    } else if (this.#used <= this.#least && credit.atMs >= this.#probeSince) {
      // Left with an all but empty link in front.
      this.#link.forgetTrip(now)
      this.#probeSince = undefined
    }
    this.#link.answered(credit, credit.bytes, now)
  }

  #take(bytes: number): Credit {
    const departure = this.#link.departs(this.#clock.now(), this.#used === 0)
    this.#used += bytes
    return { bytes, ...departure }
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.bytes
  }
}
