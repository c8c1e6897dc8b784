import type { Benchmark } from './benchmark.ts'
import { inChromium } from './in-chromium.ts'

const NAMES = ['opfs', 'indexeddb'] as const

export const benchmarks: Benchmark[] = NAMES.map((name) => ({
  name,
  environment: 'chromium',
  run: ({ toy }) =>
    inChromium(1, ([page]) => page!.evaluate((asked) => window.bench.measureStorage(asked), { name, toy })),
}))
