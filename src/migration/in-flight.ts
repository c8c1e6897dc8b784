import type { BlockType } from '../orders/block-order.ts'
import { SLOT_PARTS } from './limits.ts'

/** Blocks under way together. */
export interface ActiveRun {
  readonly start: number
  /** Grows when a hole is found to go on. */
  count: number
  readonly type: BlockType
  /** Fires when the migration is aborted. */
  readonly signal: AbortSignal | undefined
  /** Resolves when the run has ended, well or not; never rejects. */
  readonly ended: Promise<void>
}

interface RunEnd {
  /** It is being read, or waits for a destination that takes no more. */
  isAhead: boolean
  /** Room that it takes, in parts of a slot. */
  readonly parts: number
  readonly resolve: () => void
  readonly controller: AbortController | undefined
}

/** How much may be under way. */
export interface InFlightLimits {
  /** Slots by kind, each for one run, however long. */
  readonly slots: Readonly<Record<BlockType, number>>
  /** Kinds of which short runs share a slot, up to `SLOT_PARTS` of them. */
  readonly shared: ReadonlySet<BlockType>
  /** Blocks of a run that fills a slot. */
  readonly slotBlocks: number
}

/** The runs under way and how many of each kind may be. A handful of objects, whatever the size of the disk. */
export class InFlight {
  readonly #limits: InFlightLimits
  readonly #taken: Record<BlockType, number> = { standard: 0, dirty: 0, priority: 0 }
  #ahead = 0
  /** Runs that may be ahead: fewer while they wait for the destination, more while it waits for them. */
  #farthestAhead = Number.POSITIVE_INFINITY
  readonly #runs = new Map<ActiveRun, RunEnd>()
  readonly #signal: AbortSignal | undefined
  /** Heard once for all runs: each of them listening to the caller's signal would look like a leak to Node. */
  readonly #onAbort = () => {
    for (const { controller } of this.#runs.values()) controller?.abort(this.#signal?.reason)
  }
  #wake: (() => void)[] = []

  constructor(limits: InFlightLimits, signal?: AbortSignal) {
    this.#limits = limits
    this.#signal = signal
  }

  get runs(): Iterable<ActiveRun> {
    return this.#runs.keys()
  }

  get isEmpty(): boolean {
    return this.#runs.size === 0
  }

  get blocks(): number {
    let blocks = 0
    for (const run of this.#runs.keys()) blocks += run.count
    return blocks
  }

  hasRoom(type: BlockType): boolean {
    if (type !== 'priority' && this.#ahead >= this.#farthestAhead) return false
    return this.#taken[type] < this.#limits.slots[type] * SLOT_PARTS
  }

  begin(start: number, count: number, type: BlockType): ActiveRun {
    let resolve = () => {}
    const ended = new Promise<void>((end) => {
      resolve = end
    })
    const controller = this.#signal ? new AbortController() : undefined
    if (this.#runs.size === 0) this.#signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (this.#signal?.aborted) controller?.abort(this.#signal.reason)
    const run = { start, count, type, signal: controller?.signal, ended }
    const parts = this.#parts(count, type)
    this.#runs.set(run, { isAhead: true, parts, resolve, controller })
    this.#ahead++
    this.#taken[type] += parts
    return run
  }

  /**
   * The destination has taken a run. What is read long before that only leaves the processor's caches again, and a request of the destination
   * finds it chosen already; with a slow source it is what keeps the destination busy. So how far ahead runs are read follows who waits for whom.
   */
  departed(run: ActiveRun, waited: boolean): void {
    const end = this.#runs.get(run)
    if (!end?.isAhead) return
    this.#farthestAhead = waited
      ? Math.max(1, Math.floor(Math.min(this.#farthestAhead, this.#ahead) / 2))
      : this.#farthestAhead + 1
    end.isAhead = false
    this.#ahead--
    this.wake()
  }

  end(run: ActiveRun): void {
    const end = this.#runs.get(run)
    if (!end) return
    this.#runs.delete(run)
    this.#taken[run.type] -= end.parts
    if (end.isAhead) this.#ahead--
    if (this.#runs.size === 0) this.#signal?.removeEventListener('abort', this.#onAbort)
    end.resolve()
    this.wake()
  }

  /** Lets everybody who waits for a change look again. */
  wake(): void {
    const waiting = this.#wake
    this.#wake = []
    for (const wake of waiting) wake()
  }

  /** Resolves when the next run ends, or something else calls for a look; who waits checks again what it waited for. */
  change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve))
  }

  /** An older run that shares a block with this one. A newer copy waits for it, or the older one could land last. */
  olderOverlap(run: ActiveRun): ActiveRun | undefined {
    for (const other of this.#runs.keys()) {
      if (other === run) return undefined
      if (other.start < run.start + run.count && run.start < other.start + other.count) return other
    }
    return undefined
  }

  #parts(count: number, type: BlockType): number {
    if (!this.#limits.shared.has(type)) return SLOT_PARTS
    return Math.min(SLOT_PARTS, Math.ceil((count / this.#limits.slotBlocks) * SLOT_PARTS))
  }
}
