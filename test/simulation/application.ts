import type { StorageProvider } from '../../src/storage/provider.ts'
import type { Choices } from './choices.ts'
import type { Machine } from './machine.ts'
import { CELL_BYTES, type Shadow } from './shadow.ts'
import { Violation } from './violation.ts'

/** One thing an application does with its disk. */
export interface Operation {
  readonly kind: 'write' | 'zero' | 'read' | 'flush'
  readonly offset: number
  readonly length: number
  /** Writes the same bytes as every other with this mark. */
  readonly mark?: number
  /** Waits so long first. */
  readonly afterMs: number
}

/** Work of an application: several threads, each doing one thing after the other. */
export type Workload = readonly (readonly Operation[])[]

/** The shape of the disk that is moved. */
export interface Geometry {
  readonly size: number
  readonly blockSize: number
}

/**
 * A workload by chance: some of it unaligned, across blocks, over the end, always on the same few blocks or everywhere. With `readers`, one more
 * thread only reads, so that it goes on while writes wait. With `flushes` little is left unflushed for long.
 */
export function planWorkload(
  choices: Choices,
  { size, blockSize }: Geometry,
  { most, readers = 0, flushes = false }: { most: number; readers?: number; flushes?: boolean },
): Workload {
  const threads = choices.pick([1, 2, 3])
  const total = choices.below(most + 1)
  const hot = choices.below(size)
  const pauseMs = choices.pick([5, 1, 20, 100])
  // Content that comes back is what an old digest is dangerous for.
  const toggles = choices.below(4) === 3
  const operation = (): Operation => {
    if (toggles) {
      const kind = choices.pick(['write', 'zero', 'write', 'zero', 'flush'] as const)
      const offset = Math.floor(((hot + choices.below(2) * blockSize) % size) / blockSize) * blockSize
      const mark = 0xff00 + choices.below(2)
      return { kind, offset, length: Math.min(blockSize, size - offset), mark, afterMs: choices.below(pauseMs + 1) }
    }
    const kind = flushes
      ? choices.pick(['write', 'flush', 'write', 'flush', 'read', 'zero'] as const)
      : choices.pick(['write', 'write', 'write', 'write', 'read', 'read', 'zero', 'flush'] as const)
    const near = choices.below(2) === 0 ? hot + choices.below(4 * blockSize) : choices.below(size)
    const blocks = choices.below(3) === 2
    const unit = blocks ? blockSize : CELL_BYTES
    const offset = Math.floor((near % size) / unit) * unit
    const length = Math.min(size - offset, unit * choices.pick([1, 1, 2, 3, 9]))
    return { kind, offset, length, afterMs: choices.below(pauseMs + 1) }
  }
  const work: Operation[][] = Array.from({ length: threads }, () => [])
  for (let index = 0; index < total; index++) work[index % threads]!.push(operation())
  const reads = choices.below(readers + 1)
  if (reads > 0) work.push(Array.from({ length: reads }, () => ({ ...operation(), kind: 'read' })))
  return work
}

/** What an application must be told so that what it sees can be judged. */
export interface ApplicationParts {
  readonly machine: Machine
  readonly disk: StorageProvider
  readonly shadow: Shadow
  /** The moment from which on a read must see what is true. Default: that of its call. */
  readonly since?: (offset: number, length: number) => number
  /** Whether an operation may fail now: storages break, peers are lost. */
  readonly mayFail: () => boolean
  /** Whether this side owns the disk: only then a flush promises anything. Default: always. */
  readonly isOwner?: () => boolean
  /** Whether what reads return is judged now: bytes that nothing has checked yet may be wrong. Default: always. */
  readonly isJudged?: () => boolean
}

/** An application at its work. A write that failed is done again by nobody: both contents are right until the next one. */
export class Application {
  /** Operations that have ended, and how many are under way or to come. */
  ended = 0
  left: number
  /** Resolves when all of its work is done. */
  readonly done: Promise<void>
  readonly #parts: ApplicationParts
  readonly #rest: Operation[][]
  #isStopped = false

  constructor(parts: ApplicationParts, workload: Workload) {
    this.#parts = parts
    this.#rest = workload.map((thread) => [...thread])
    this.left = workload.reduce((sum, thread) => sum + thread.length, 0)
    this.done = Promise.all(this.#rest.map((thread) => this.#work(thread))).then(() => {})
    // Its machine was ended: nobody waits for it any more.
    this.done.catch((error: unknown) => {
      if (parts.machine.alive) parts.machine.scheduler.report(error)
    })
  }

  /** What has not been begun: for whoever goes on after this one was killed. */
  get rest(): Workload {
    return this.#rest
  }

  /** Begins nothing more; how what it has begun ends is nobody's business. */
  stop(): void {
    this.#isStopped = true
  }

  get #isGone(): boolean {
    return this.#isStopped || !this.#parts.machine.alive
  }

  async #work(thread: Operation[]): Promise<void> {
    const { machine } = this.#parts
    for (let operation = thread[0]; operation; operation = thread[0]) {
      const { afterMs } = operation
      await new Promise<void>((go) => machine.later(afterMs, `application at ${machine.name} goes on`, go, go))
      if (this.#isGone) return
      thread.shift()
      await this.#do(operation)
      this.ended++
      this.left--
    }
  }

  async #do(operation: Operation): Promise<void> {
    const { kind, offset, length } = operation
    const text = kind === 'flush' ? kind : `${kind} ${offset}+${length}`
    if (kind === 'read') await this.#read(operation, text)
    else if (kind === 'flush') await this.#flush(text)
    else await this.#write(operation, text)
  }

  async #write({ kind, offset, length, mark }: Operation, text: string): Promise<void> {
    const { disk, shadow, machine } = this.#parts
    const zero = kind === 'zero'
    const write = shadow.begin({ offset, length, mark }, zero, machine.name)
    const named = `${machine.name}: ${text} (write ${write.number})`
    machine.scheduler.note(`${named} begins`)
    try {
      const count = await (zero && disk.zeroAt
        ? disk.zeroAt(offset, length)
        : disk.writeAt(shadow.bytesOf(write), offset))
      shadow.end(write, count === length ? 'acknowledged' : 'failed')
      machine.scheduler.note(`${named} ${count === length ? 'is acknowledged' : `took ${count} bytes`}`)
      if (count !== length) this.#failed(text, 'was short')
    } catch (error) {
      // A dead process hears nothing: whether it was done is open.
      if (this.#isGone) return
      shadow.end(write, 'failed')
      this.#failed(`${text} (write ${write.number})`, error)
    }
  }

  async #read({ offset, length }: Operation, text: string): Promise<void> {
    const { disk, shadow, machine } = this.#parts
    const bytes = new Uint8Array(length)
    const calledAt = shadow.now()
    const sinceCall = this.#parts.since?.(offset, length)
    try {
      const count = await disk.readAt(bytes, offset)
      if (this.#isGone) return
      if (count !== length) return this.#failed(text, 'was short')
      if (this.#parts.isJudged?.() === false) return
      const wrong = shadow.wrong(bytes, offset, Math.min(calledAt, sinceCall ?? calledAt))
      if (wrong) throw new Violation('reads are right', `${machine.name}: ${text} is wrong at ${wrong}`)
      machine.scheduler.note(`${machine.name}: ${text} is right`)
    } catch (error) {
      if (error instanceof Violation) throw error
      if (!this.#isGone) this.#failed(text, error)
    }
  }

  async #flush(text: string): Promise<void> {
    const { disk, shadow } = this.#parts
    const calledAt = shadow.now()
    try {
      const counts = this.#parts.isOwner?.() ?? true
      await disk.flush()
      if (!this.#isGone && counts) shadow.flushed(calledAt)
    } catch (error) {
      if (!this.#isGone) this.#failed(text, error)
    }
  }

  #failed(text: string, why: unknown): void {
    const { machine, mayFail } = this.#parts
    const reason = why instanceof Error ? ('code' in why ? String(why.code) : why.message) : String(why)
    machine.scheduler.note(`${machine.name}: ${text} failed: ${reason}`)
    if (mayFail()) return
    throw new Violation('calls succeed', `${machine.name}: ${text} failed without a fault: ${reason}`)
  }
}
