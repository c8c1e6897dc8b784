import type { Clock } from '../../src/async/clock.ts'
import { StorageError } from '../../src/errors/storage-error.ts'
import type { Scheduler } from './scheduler.ts'

/** How far timers are held back, as browsers do to tabs nobody looks at. */
export type Visibility = 'shown' | 'hidden' | 'hidden for long'

/** What everything in a process that was killed meets; nobody there hears it. */
export const ENDED = 'The process was ended.'

const TIMER_STEP_MS: Readonly<Record<Visibility, number>> = { shown: 0, hidden: 1000, 'hidden for long': 60_000 }

/**
 * One process: what runs between a start and a kill. Everything it does to the world goes through it, so a dead one does nothing any more. It is
 * the clock of the code in it.
 */
export class Machine implements Clock {
  readonly name: string
  readonly scheduler: Scheduler
  visibility: Visibility = 'shown'
  alive = true
  /** Milliseconds that pass each time somebody asks for the time: stands for work that takes some. */
  tickMs = 0
  /** What to do to whatever waits when the process dies. */
  readonly #pending = new Set<() => void>()
  readonly #endings: (() => void)[] = []

  constructor(name: string, scheduler: Scheduler) {
    this.name = name
    this.scheduler = scheduler
  }

  now(): number {
    this.scheduler.nowMs += this.tickMs
    return this.scheduler.nowMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const step = TIMER_STEP_MS[this.visibility]
    const now = this.scheduler.nowMs
    const dueMs = step === 0 ? ms : Math.ceil((now + Math.max(ms, 1)) / step) * step - now
    return this.#wait(dueMs, `${this.name} wakes`, signal)
  }

  /** Messages are not held back in hidden tabs. */
  yield(): Promise<void> {
    return this.#wait(0, `${this.name} yields`, undefined)
  }

  /** Does something after a while, unless the process has died; `lost` is called in its place then. */
  later(ms: number, label: string, run: () => void, lost: () => void): () => void {
    if (!this.alive) {
      lost()
      return () => {}
    }
    const take = this.scheduler.in(ms, label, () => {
      this.#pending.delete(end)
      run()
    })
    const end = () => {
      take()
      this.#pending.delete(end)
      lost()
    }
    this.#pending.add(end)
    return () => {
      take()
      this.#pending.delete(end)
    }
  }

  /** Hears of the end of this process, before what waits is told. */
  onEnd(run: () => void): void {
    this.#endings.push(run)
  }

  /** Ends the process. What waits rejects, so that nothing of it stays behind in this realm; it can do nothing with that. */
  end(): void {
    if (!this.alive) return
    this.alive = false
    for (const run of this.#endings.splice(0)) run()
    for (const lost of [...this.#pending]) lost()
    this.#pending.clear()
  }

  #wait(ms: number, label: string, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const aborted = () => reject(new StorageError('ABORTED', undefined, { cause: signal?.reason }))
      if (signal?.aborted) return aborted()
      const stop = () => {
        cancel()
        aborted()
      }
      const cancel = this.later(
        ms,
        label,
        () => {
          signal?.removeEventListener('abort', stop)
          resolve()
        },
        () => reject(new StorageError('ABORTED', ENDED)),
      )
      signal?.addEventListener('abort', stop, { once: true })
    })
  }
}
