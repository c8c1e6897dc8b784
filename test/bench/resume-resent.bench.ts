import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { collectGarbage, median, spread } from './measure.ts'
import { moveWithResume } from './resumed-move.ts'

const MIB = 2 ** 20

/** Bytes sent again after a cut, over what is allowed: 4 MiB, or twice what was under way where that is more. */
async function resent(toy: boolean): Promise<BenchmarkResult> {
  const values: number[] = []
  const megabytes: number[] = []
  const windows: number[] = []
  for (let run = 0; run < (toy ? 1 : 7); run++) {
    collectGarbage()
    const { bytesAgain, windowBytes } = await moveWithResume(toy ? 2 ** 28 : 2 ** 32, toy ? 24 : 192)
    // Some bytes at least, so that a spread can be told.
    values.push(Math.max(1, bytesAgain) / Math.max(4 * MIB, 2 * windowBytes))
    megabytes.push(bytesAgain / MIB)
    windows.push(windowBytes / MIB)
  }
  return {
    value: median(values),
    unit: 'x',
    limit: null,
    ratio: null,
    runs: values.length,
    spread: spread(values),
    note: `${median(megabytes).toFixed(2)} MiB again, at most ${Math.max(...megabytes).toFixed(2)}; windows of ${median(windows).toFixed(1)} MiB`,
  }
}

export const benchmarks: Benchmark[] = [{ name: 'resume-resent', environment: 'node', run: ({ toy }) => resent(toy) }]
