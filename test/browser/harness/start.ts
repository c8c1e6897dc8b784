import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright'
import { createServer } from 'vite'
import { type Chromium, launchChromium } from '../../support/chromium.ts'
import type {} from './page.ts'

const project = fileURLToPath(new URL('../../..', import.meta.url))

/** A Chromium on the test pages, served from the sources by Vite. */
export interface RunningHarness {
  readonly chromium: Chromium
  /** Address of the harness page. */
  readonly address: string
  /** Opens a tab on the harness page. What it logs as an error or throws uncaught is collected in `complaints`. */
  openPage(): Promise<Page>
  readonly complaints: string[]
  close(): Promise<void>
}

/** Starts server and browser; both end with `close`. */
export async function startHarness(options: { profile?: string } = {}): Promise<RunningHarness> {
  const server = await createServer({
    configFile: fileURLToPath(new URL('../../../vite.config.ts', import.meta.url)),
    root: project,
    logLevel: 'warn',
    // Nothing changes while tests run; a reload in the middle of one would only confuse.
    server: { port: 0, hmr: false, watch: null },
  })
  await server.listen()
  const chromium = await launchChromium(options).catch(async (error: unknown) => {
    await server.close()
    throw error
  })
  const address = new URL('/test/browser/harness/index.html', server.resolvedUrls!.local[0]).href
  const complaints: string[] = []
  return {
    chromium,
    address,
    complaints,
    openPage: async () => {
      const page = await chromium.context.newPage()
      page.on('pageerror', (error) => complaints.push(String(error.stack ?? error)))
      await page.goto(address)
      await page.waitForFunction(() => window.harness !== undefined)
      return page
    },
    close: async () => {
      await chromium.close()
      await server.close()
    },
  }
}

/** Where in the browser a suite runs. */
export type Where = 'page' | 'worker'

/** The names of a suite's cases, as they are there: a suite may have more in a worker. */
export function listCases(page: Page, suite: string, where: Where): Promise<string[]> {
  const method = where === 'page' ? 'listInPage' : 'listInWorker'
  return page.evaluate(({ method, suite }) => window.harness[method](suite), { method, suite } as const)
}

/** Runs one case; throws what failed. */
export async function runCase(page: Page, suite: string, index: number, where: Where): Promise<void> {
  const method = where === 'page' ? 'runInPage' : 'runInWorker'
  const failure = await page.evaluate(({ method, suite, index }) => window.harness[method](suite, index), {
    method,
    suite,
    index,
  } as const)
  if (failure !== undefined) throw new Error(failure)
}
