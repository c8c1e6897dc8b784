import type { BenchmarkResult } from './benchmark.ts'

/** The middle value; of two the mean. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The least value that such a share of them does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * share) - 1]!
}

/** Highest minus lowest over the median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values)
}

/** What {@link measureBeside} compares. */
export interface MeasureOptions {
  readonly unit: string
  /** How often each side runs after the warm-ups. */
  readonly runs: number
  /** How often each side runs before that, uncounted. Default: 1. */
  readonly warmUps?: number
  /**
   * Whether garbage is collected before each run. A collection that is forced while nothing is under way also throws away what the engine
   * has compiled for objects of which none lives at that moment, so a short run then measures the compiler. Default: true.
   */
  readonly collects?: boolean
  /** The number of one run of ours, in `unit`. */
  ours(): number | Promise<number>
  /** The number of one run of the raw limit, in `unit`. */
  limit(): number | Promise<number>
  /** Whether more is better (a rate) or less (a duration). */
  readonly better: 'higher' | 'lower'
}

/**
 * Measures ours and the limit in turns, so that a machine that warms up or is busy for a while disturbs both alike.
 * The ratio is that of the medians, and above 1 when ours is better.
 */
export async function measureBeside(options: MeasureOptions): Promise<BenchmarkResult> {
  const ours: number[] = []
  const limits: number[] = []
  const { warmUps = 1, collects = true } = options
  for (let run = -warmUps; run < options.runs; run++) {
    if (collects) collectGarbage()
    const limit = await options.limit()
    if (collects) collectGarbage()
    const value = await options.ours()
    if (run < 0) continue
    limits.push(limit)
    ours.push(value)
  }
  const value = median(ours)
  const limit = median(limits)
  const ratio = options.better === 'higher' ? value / limit : limit / value
  return { value, unit: options.unit, limit, ratio, runs: options.runs, spread: spread(ours) }
}

/** Frees what earlier runs left, where Node was started with `--expose-gc`. */
export function collectGarbage(): void {
  ;(globalThis as { gc?: () => void }).gc?.()
}

/** Milliseconds of CPU time one call takes in this process, all threads. */
export async function cpuMs(work: () => void | Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** Milliseconds one call takes. */
export async function wallMs(work: () => void | Promise<void>): Promise<number> {
  const before = performance.now()
  await work()
  return performance.now() - before
}
