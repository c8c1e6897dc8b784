/** What the page tells the worker. */
export type ToSimulator =
  /** Runs seed after seed from this one on. */
  | { readonly type: 'start'; readonly seed: number }
  /** Ends after the run under way; `start` goes on anywhere. */
  | { readonly type: 'stop' }
  /** Runs one seed and tells all that happens in it. */
  | { readonly type: 'show'; readonly seed: number }

/** What happened since the last word. */
export interface Harvest {
  readonly runs: number
  readonly steps: number
  readonly virtualMs: number
  /** Real time that it took. */
  readonly ms: number
  /** Runs that met each kind of fault. */
  readonly faults: Readonly<Record<string, number>>
}

/** One run, told in full. */
export interface Story {
  readonly seed: number
  readonly scenario: string
  readonly virtualMs: number
  readonly steps: number
  /** The promise that was broken, and how; undefined when all were kept. */
  readonly broken: { readonly law: string; readonly message: string } | undefined
  /** Decisions were taken out for as long as the same promise was broken. */
  readonly isShrunk: boolean
  readonly log: readonly string[]
}

/** What the worker tells the page. */
export type FromSimulator =
  | { readonly type: 'harvest'; readonly nextSeed: number; readonly harvest: Harvest }
  /** A run broke a promise; the worker has stopped. */
  | { readonly type: 'broken'; readonly story: Story }
  | { readonly type: 'story'; readonly story: Story }
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly message: string }
