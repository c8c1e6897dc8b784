import type { HandOverContext } from '../migration/live-options.ts'

/** Brings several hand-overs to one moment: all of them wait until each is ready, then one decision is taken for all. */
export class Agreement {
  readonly #count: number
  readonly #decide: (contexts: readonly HandOverContext[]) => Promise<void>
  readonly #contexts = new Map<number, HandOverContext>()
  readonly #outcome: Promise<void>
  #resolve!: () => void
  #reject!: (error: unknown) => void
  #state: 'open' | 'deciding' | 'reached' | 'failed' = 'open'

  constructor(count: number, decide: (contexts: readonly HandOverContext[]) => Promise<void>) {
    this.#count = count
    this.#decide = decide
    this.#outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#outcome.catch(() => {}) // Heard by those who have joined.
  }

  /** The decision was taken: it cannot be undone. */
  get isReached(): boolean {
    return this.#state === 'reached'
  }

  /** The `index`-th is ready; resolves when all were and the decision was taken. */
  join(index: number, context: HandOverContext): Promise<void> {
    this.#contexts.set(index, context)
    if (this.#state === 'open' && this.#contexts.size === this.#count) void this.#take()
    return this.#outcome
  }

  /** Nothing is decided any more; no effect once the decision is being taken. */
  fail(error: unknown): void {
    if (this.#state !== 'open') return
    this.#state = 'failed'
    this.#reject(error)
  }

  async #take(): Promise<void> {
    this.#state = 'deciding'
    const contexts = [...this.#contexts].sort(([left], [right]) => left - right).map(([, context]) => context)
    try {
      await this.#decide(contexts)
      this.#state = 'reached'
      this.#resolve()
    } catch (error) {
      this.#state = 'failed'
      this.#reject(error)
    }
  }
}
