import type { Benchmark } from './benchmark.ts'
import { inChromium } from './in-chromium.ts'

const NAMES = ['sqlite-inserts', 'sqlite-swap'] as const

export const benchmarks: Benchmark[] = NAMES.map((name) => ({
  name,
  environment: 'chromium',
  run: ({ toy }) =>
    inChromium(1, ([page]) => page!.evaluate((asked) => window.bench.measureSqlite(asked), { name, toy })),
}))
