import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { collectGarbage, median, spread } from './measure.ts'
import { moveWithResume } from './resumed-move.ts'

/** Milliseconds until the first block moves again, when both sides begin anew with a disk of a terabyte and its journals. */
async function firstByte(toy: boolean): Promise<BenchmarkResult> {
  const values: number[] = []
  for (let run = toy ? 0 : -1; run < (toy ? 1 : 5); run++) {
    collectGarbage()
    const { firstByteMs } = await moveWithResume(toy ? 2 ** 30 : 2 ** 40, toy ? 8 : 96)
    if (run >= 0) values.push(firstByteMs)
  }
  return {
    value: median(values),
    unit: 'ms',
    limit: null,
    ratio: null,
    runs: values.length,
    spread: spread(values),
    note: 'both journals loaded, the peers agreed, 65,536 pages compared; the start of a process is not in it',
  }
}

export const benchmarks: Benchmark[] = [
  { name: 'resume-first-byte', environment: 'node', run: ({ toy }) => firstByte(toy) },
]
