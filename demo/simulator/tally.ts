import type { Harvest } from './messages.ts'

/** Weight of the latest word in the speed that is shown: it follows within two seconds and does not tremble. */
const LATEST = 0.2

/** All that was harvested. */
export class Tally {
  runs = 0
  steps = 0
  virtualMs = 0
  runsPerSecond = 0
  readonly faults = new Map<string, number>()

  add({ runs, steps, virtualMs, ms, faults }: Harvest): void {
    this.runs += runs
    this.steps += steps
    this.virtualMs += virtualMs
    for (const [kind, count] of Object.entries(faults)) this.faults.set(kind, (this.faults.get(kind) ?? 0) + count)
    if (ms <= 0) return
    const now = (runs / ms) * 1000
    this.runsPerSecond = this.runsPerSecond === 0 ? now : this.runsPerSecond + LATEST * (now - this.runsPerSecond)
  }

  /** Kinds of faults, the most frequent first; equal ones by name, so that bars do not jump. */
  sorted(): readonly (readonly [kind: string, count: number])[] {
    return [...this.faults].sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1))
  }
}

/** The number in a field for seeds; undefined where there is none. */
export function readSeed(text: string): number | undefined {
  return /^\s*\d{1,9}\s*$/.test(text) ? Number(text) : undefined
}
