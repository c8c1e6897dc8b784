import { shrink } from './shrink.ts'
import { type Host, prepare, type RunReport, simulate } from './simulate.ts'

/** What to run. */
export interface SimulationOptions {
  /** The first seed; run `n` has the seed `seed + n`. */
  readonly seed: number
  readonly runs: number
  /** Hears how far it is. */
  readonly progress?: (done: number) => void
  /** Goes on after a run that broke a promise. Default: stops there. */
  readonly goOn?: boolean
  /** Runs only the scenario of this name. Default: each is chosen by chance. */
  readonly scenario?: string | undefined
  /** Makes a failing run plainer before it is reported. Default: true. */
  readonly shrinks?: boolean
}

/** How all of them went; the same for the same options, whatever the machine and the time. */
export interface SimulationReport {
  readonly seed: number
  readonly runs: number
  readonly steps: number
  readonly virtualMs: number
  /** One number over everything that happened in all runs; the sum of those of single runs, so that ranges of seeds add up. */
  readonly trace: number
  /** Runs in which each fault happened, and runs of each scenario. */
  readonly faults: Readonly<Record<string, number>>
  readonly scenarios: Readonly<Record<string, number>>
  readonly failures: readonly { readonly seed: number; readonly report: RunReport }[]
}

/** Between two reports of progress. */
const PROGRESS_RUNS = 1000

/** Runs seeds one after the other. */
export async function simulateSeeds(options: SimulationOptions, host: Host): Promise<SimulationReport> {
  await prepare()
  const faults: Record<string, number> = {}
  const scenarios: Record<string, number> = {}
  const failures: { seed: number; report: RunReport }[] = []
  let [runs, steps, virtualMs, trace] = [0, 0, 0, 0]
  // Whoever fails to be heard is asked again with a log; until then nobody looks at where an error came from.
  Error.stackTraceLimit = 0
  for (let seed = options.seed; seed < options.seed + options.runs; seed++) {
    const report = await simulate(seed, host, { only: options.scenario })
    runs++
    steps += report.steps
    virtualMs += report.virtualMs
    trace = (trace + Math.imul(report.trace ^ seed, 0x01000193)) >>> 0
    scenarios[report.scenario] = (scenarios[report.scenario] ?? 0) + 1
    for (const fault of report.faults) faults[fault] = (faults[fault] ?? 0) + 1
    if (report.violation) {
      failures.push({ seed, report: options.shrinks === false ? report : await shrink(report, host) })
      if (!options.goOn) break
    }
    if (runs % PROGRESS_RUNS === 0) options.progress?.(runs)
  }
  return { seed: options.seed, runs, steps, virtualMs, trace, faults, scenarios, failures }
}

/** One seed with its log, whether it fails or not. */
export async function replaySeed(seed: number, host: Host, scenario?: string): Promise<RunReport> {
  await prepare()
  return simulate(seed, host, { logging: true, only: scenario })
}
