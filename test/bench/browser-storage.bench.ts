import { join } from 'node:path'
import { createServer } from 'vite'
import { launchChromium } from '../support/chromium.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import type {} from './browser/page.ts'
import type { StorageBenchmark } from './browser/worker.ts'

/** Measures in a worker of a Chromium whose profile is on disk: an incognito one keeps its storages elsewhere and is 20 times slower. */
async function inChromium(benchmark: StorageBenchmark): Promise<BenchmarkResult> {
  const project = process.cwd()
  const server = await createServer({
    configFile: join(project, 'vite.config.ts'),
    root: project,
    logLevel: 'warn',
    server: { port: 0, hmr: false, watch: null },
  })
  try {
    await server.listen()
    const chromium = await launchChromium({ flags: ['--js-flags=--expose-gc'] })
    try {
      const page = await chromium.context.newPage()
      await page.goto(new URL('/test/bench/browser/index.html', server.resolvedUrls!.local[0]).href)
      await page.waitForFunction(() => window.measure !== undefined)
      return await page.evaluate((asked) => window.measure(asked), benchmark)
    } finally {
      await chromium.close()
    }
  } finally {
    await server.close()
  }
}

const NAMES = ['opfs', 'indexeddb'] as const

export const benchmarks: Benchmark[] = NAMES.map((name) => ({
  name,
  environment: 'chromium',
  run: ({ toy }) => inChromium({ name, toy }),
}))
