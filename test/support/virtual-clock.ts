import { throwIfAborted } from '../../src/async/abort.ts'
import type { Clock } from '../../src/async/clock.ts'

/** How a {@link VirtualClock} moves on. */
export interface VirtualClockOptions {
  /** Whether time moves by itself once nothing else can run. Default: true. */
  automatic?: boolean
  /** Milliseconds that pass each time somebody asks for the time; stands for work that takes time. Default: 0. */
  tickMs?: number
}

interface Sleeper {
  readonly atMs: number
  readonly wake: () => void
}

/** Turns in a row without a real task in between: timers and the garbage collector's callbacks must not starve. */
const TURNS_WITHOUT_TASK = 1024

/**
 * Time that passes only when everybody waits: runs of seconds take no time, and the same run always takes the same course.
 *
 * Sleepers wake one by one, the earliest first, those of one moment in the order they came; before each, everything that can run has run.
 */
export class VirtualClock implements Clock {
  readonly #automatic: boolean
  readonly #tickMs: number
  readonly #sleepers: Sleeper[] = []
  #nowMs = 0
  #turns = 0
  #scheduled = false

  constructor(options: VirtualClockOptions = {}) {
    this.#automatic = options.automatic ?? true
    this.#tickMs = options.tickMs ?? 0
  }

  now(): number {
    this.#nowMs += this.#tickMs
    return this.#nowMs
  }

  /** Who sleeps now. */
  get sleepers(): number {
    return this.#sleepers.length
  }

  /** Wakes that there have been. */
  get turns(): number {
    return this.#turns
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal)
      const stop = () => {
        this.#sleepers.splice(this.#sleepers.indexOf(sleeper), 1)
        try {
          throwIfAborted(signal)
        } catch (error) {
          reject(error)
        }
      }
      const wake = () => {
        signal?.removeEventListener('abort', stop)
        resolve()
      }
      const sleeper = { atMs: this.#nowMs + Math.max(0, ms), wake }
      signal?.addEventListener('abort', stop, { once: true })
      let place = this.#sleepers.length
      while (place > 0 && this.#sleepers[place - 1]!.atMs > sleeper.atMs) place--
      this.#sleepers.splice(place, 0, sleeper)
      if (this.#automatic) this.#schedule()
    })
  }

  yield(): Promise<void> {
    return this.sleep(0)
  }

  /** By hand: lets `ms` pass, and everybody who was to wake in that time wake at his moment. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await settled()
    while (this.#sleepers.length > 0 && this.#sleepers[0]!.atMs <= endMs) {
      this.#wakeNext()
      await settled()
    }
    this.#nowMs = Math.max(this.#nowMs, endMs)
  }

  #schedule(): void {
    if (this.#scheduled || this.#sleepers.length === 0 || this.#sleepers[0]!.atMs === Number.POSITIVE_INFINITY) return
    this.#scheduled = true
    void settled(this.#turns % TURNS_WITHOUT_TASK === 0).then(() => {
      this.#scheduled = false
      this.#wakeNext()
      this.#schedule()
    })
  }

  #wakeNext(): void {
    const sleeper = this.#sleepers.shift()
    if (!sleeper) return
    this.#turns++
    this.#nowMs = Math.max(this.#nowMs, sleeper.atMs)
    sleeper.wake()
  }
}

/**
 * Resolves when every promise that could settle has settled. Node runs ticks only once its microtasks are used up, so a tick asked for by a microtask
 * comes after all of them; that costs a tenth of a real task, which comes after as well.
 */
export function settled(withTask = false): Promise<void> {
  return new Promise((resolve) => {
    if (withTask) setImmediate(resolve)
    else queueMicrotask(() => process.nextTick(resolve))
  })
}
