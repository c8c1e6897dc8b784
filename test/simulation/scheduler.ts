import type { Choices } from './choices.ts'
import { Violation } from './violation.ts'

/** Something that is going to happen. */
export interface Task {
  readonly atMs: number
  readonly label: string
  readonly run: () => void
}

/** Real time that must pass for everything that can run to have run; the host knows how. */
export type Settle = () => Promise<void>

/** Tasks a run may take: far more than any run that ends. */
const MOST_STEPS = 60_000

/** Lines of the log that are kept; the end is what matters. */
const LOGGED = 4000

/**
 * Virtual time and the one order of all that happens: storage calls that end, bytes that arrive, sleepers that wake. The earliest task goes first;
 * among those of one moment the choices decide. Before each, every promise that could settle has settled.
 */
export class Scheduler {
  nowMs = 0
  /** Tasks run so far: the clock of the oracles, finer than time. */
  steps = 0
  readonly log: string[] = []
  /** A hash over everything that happened and when. */
  trace = 0x811c9dc5
  readonly #tasks: Task[] = []
  readonly #choices: Choices
  readonly #settle: Settle
  readonly #logging: boolean
  /** Called after each step, for the oracles. */
  watch: (() => void) | undefined
  /** What broke meanwhile, outside of any step. */
  broken: unknown

  constructor(choices: Choices, settle: Settle, logging: boolean) {
    this.#choices = choices
    this.#settle = settle
    this.#logging = logging
  }

  get pending(): number {
    return this.#tasks.length
  }

  /** Plans something; the returned function takes it back. */
  in(ms: number, label: string, run: () => void): () => void {
    const task = { atMs: this.nowMs + Math.max(0, ms), label, run }
    this.#tasks.push(task)
    return () => {
      const index = this.#tasks.indexOf(task)
      if (index >= 0) this.#tasks.splice(index, 1)
    }
  }

  /** Notes something for whoever reads the log of a failure. */
  note(text: string): void {
    this.#mix(text)
    if (!this.#logging) return
    if (this.log.length === LOGGED) this.log.shift()
    this.log.push(`${String(this.steps).padStart(5)} ${this.nowMs.toFixed(1).padStart(10)} ms  ${text}`)
  }

  /** The first violation counts. */
  report(violation: unknown): void {
    this.broken ??= violation
  }

  /** Runs tasks until `done`. @throws Violation when nothing is left to happen, or it takes too long */
  async run(done: () => boolean, untilMs: number): Promise<void> {
    for (;;) {
      await this.#settle()
      this.watch?.()
      if (this.broken) throw this.broken
      if (done()) return
      // What the watcher did may go on by itself.
      if (this.#tasks.length === 0) await this.#settle()
      if (this.broken) throw this.broken
      if (done()) return
      const task = this.#next()
      if (!task) throw new Violation('no hang', 'Nothing happens any more, and the work is not done.')
      if (task.atMs > untilMs) throw new Violation('in time', `Not done after ${untilMs} ms.`)
      if (this.steps >= MOST_STEPS) throw new Violation('in time', `Not done after ${MOST_STEPS} steps.`)
      this.nowMs = Math.max(this.nowMs, task.atMs)
      this.steps++
      this.note(task.label)
      task.run()
    }
  }

  /** Lets everything that can run do so, without any more time. */
  settle(): Promise<void> {
    return this.#settle()
  }

  #next(): Task | undefined {
    const tasks = this.#tasks
    if (tasks.length === 0) return undefined
    let earliest = Number.POSITIVE_INFINITY
    for (const { atMs } of tasks) earliest = Math.min(earliest, atMs)
    if (earliest === Number.POSITIVE_INFINITY) return undefined
    let ready = 0
    for (const { atMs } of tasks) if (atMs === earliest) ready++
    let chosen = ready > 1 ? this.#choices.below(ready) : 0
    const index = tasks.findIndex(({ atMs }) => atMs === earliest && chosen-- === 0)
    return tasks.splice(index, 1)[0]
  }

  #mix(text: string): void {
    let hash = this.trace ^ (this.nowMs * 16)
    for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
    this.trace = hash >>> 0
  }
}
