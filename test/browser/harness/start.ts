import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright'
import { createServer } from 'vite'
import { type Chromium, launchChromium } from '../../support/chromium.ts'
import type { Where } from './page.ts'
import type { ScenarioName, Scenarios } from './scenarios.ts'
import type { Call } from './worker.ts'

const project = fileURLToPath(new URL('../../..', import.meta.url))

/** A Chromium on the test pages, served from the sources by Vite. */
export interface RunningHarness {
  readonly chromium: Chromium
  /** Address of the harness page. */
  readonly address: string
  /** Opens a tab on the harness page, or another address of it. What it logs as an error or throws uncaught is collected in `complaints`. */
  openPage(at?: string): Promise<Page>
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
    openPage: async (at = address) => {
      const page = await chromium.context.newPage()
      page.on('pageerror', (error) => complaints.push(String(error.stack ?? error)))
      await page.goto(at)
      await page.waitForFunction(() => window.callThere !== undefined)
      return page
    },
    close: async () => {
      await chromium.close()
      await server.close()
    },
  }
}

/** The names of a suite's cases, as they are there: a suite may have more in a worker. */
export function listCases(page: Page, suite: string, where: Where): Promise<string[]> {
  return call(page, where, { op: 'list', suite }) as Promise<string[]>
}

/** Runs one case; throws what failed. */
export async function runCase(page: Page, suite: string, index: number, where: Where): Promise<void> {
  const failure = await call(page, where, { op: 'case', suite, index })
  if (failure !== undefined) throw new Error(String(failure))
}

/** The scenarios of a page or of one of its workers, as functions. */
export function scenariosIn(page: Page, where: Where): Scenarios {
  return new Proxy({} as Scenarios, {
    get:
      (_, name) =>
      (...args: unknown[]) =>
        call(page, where, { op: 'scenario', name: name as ScenarioName, args }),
  })
}

function call(page: Page, where: Where, work: Call): Promise<unknown> {
  return page.evaluate(({ where, work }) => window.callThere(where, work), { where, work })
}
