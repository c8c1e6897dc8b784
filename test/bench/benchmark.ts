/** What one benchmark found out. */
export interface BenchmarkResult {
  /** The median over the runs, in `unit`. */
  readonly value: number
  readonly unit: string
  /** The raw limit measured in the same process, in `unit`; null where there is none. */
  readonly limit: number | null
  /** How close ours comes to the limit, 1 being equal: above 1 is better than the limit. Null without a limit. */
  readonly ratio: number | null
  /** How many times ours was measured. */
  readonly runs: number
  /** Highest minus lowest run over the median: 0.05 means five percent. */
  readonly spread: number
  /** What a reader should know beside the number, such as parts it does not count. */
  readonly note?: string
}

/**
 * One number of the table. Files `test/bench/*.bench.ts` export `benchmarks: Benchmark[]`; importing one does nothing.
 * Each runs in a process of its own, compiled to plain JavaScript, with `globalThis.gc` and the repository as working directory.
 */
export interface Benchmark {
  /** As in `goals.json`. */
  readonly name: string
  /** `chromium`: starts a browser, whose path is in the environment as `CHROMIUM_PATH`. */
  readonly environment: 'node' | 'chromium'
  /** `toy`: at a size where it takes well under a second and its number means nothing, to see that it still runs. */
  run(options: { readonly toy: boolean }): Promise<BenchmarkResult>
}
