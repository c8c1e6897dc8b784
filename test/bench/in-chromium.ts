import { join } from 'node:path'
import type { Page } from 'playwright'
import { createServer } from 'vite'
import { launchChromium } from '../support/chromium.ts'
import type {} from './browser/page.ts'

/**
 * Opens the page of `test/bench/browser` in so many Chromiums, each on a profile on disk (an incognito one keeps its storages elsewhere and is
 * 20 times slower), and closes them when the work is done.
 */
export async function inChromium<Result>(browsers: number, work: (pages: Page[]) => Promise<Result>): Promise<Result> {
  const project = process.cwd()
  const endings: (() => Promise<void>)[] = []
  try {
    const server = await createServer({
      configFile: join(project, 'vite.config.ts'),
      root: project,
      logLevel: 'warn',
      server: { port: 0, hmr: false, watch: null },
    })
    endings.push(() => server.close())
    await server.listen()
    const pages: Page[] = []
    for (let browser = 0; browser < browsers; browser++) {
      const chromium = await launchChromium({ flags: ['--js-flags=--expose-gc'] })
      endings.push(chromium.close)
      const page = await chromium.context.newPage()
      await page.goto(new URL('/test/bench/browser/index.html', server.resolvedUrls!.local[0]).href)
      await page.waitForFunction(() => window.bench !== undefined)
      pages.push(page)
    }
    return await work(pages)
  } finally {
    for (const end of endings.reverse()) await end()
  }
}
