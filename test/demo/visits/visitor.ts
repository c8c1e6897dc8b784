import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright'
import { createServer } from 'vite'
import type { Settings } from '../../../demo/mover/settings.ts'
import { launchChromium } from '../../support/chromium.ts'

const configFile = fileURLToPath(new URL('../../../vite.config.ts', import.meta.url))

/** Long enough for a loaded machine with two cores; a visit that works takes a few seconds. */
export const PATIENCE_MS = 60_000

/** How a visitor comes to the page. */
export interface VisitOptions {
  /** What the address says; the rest is as it was last time. */
  settings?: Partial<Settings>
  /** CSS pixels. Default: 1280 by 900. */
  viewport?: { width: number; height: number }
  scheme?: 'light' | 'dark'
  reducedMotion?: boolean
}

/** The demo page, served, and a browser with a profile that lasts until `close`. */
export interface Demo {
  /** Opens a tab on the page. */
  visit(options?: VisitOptions): Promise<Page>
  /** Errors and warnings that any tab logged, and what was thrown uncaught. */
  readonly complaints: string[]
  /** Addresses outside the page's own origin that were asked for. */
  readonly strangers: string[]
  /** Closes every tab, and clears what the page keeps in this browser: the next visitor has never been here. */
  forget(): Promise<void>
  close(): Promise<void>
}

/** Settings that finish within a second or two. */
export const QUICK: Partial<Settings> = {
  source: 'opfs',
  destination: 'indexeddb',
  size: 16 * 2 ** 20,
  blockSize: 64 * 1024,
  writeRate: 2 ** 19,
  pattern: 'zipf',
  linkRate: 0,
}

/** Settings that take several seconds, to be interrupted. */
export const SLOW: Partial<Settings> = { ...QUICK, size: 64 * 2 ** 20, linkRate: 8 * 2 ** 20 }

/** Starts a browser on the demo, which Vite serves from the sources unless an address is given. */
export async function startDemo(address?: string): Promise<Demo> {
  const server = address === undefined ? await serveSources() : undefined
  const origin = address ?? server!.address
  const chromium = await launchChromium().catch(async (error: unknown) => {
    await server?.close()
    throw error
  })
  const complaints: string[] = []
  const strangers: string[] = []
  chromium.context.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(origin) && !url.startsWith('data:') && !url.startsWith('blob:')) strangers.push(url)
  })
  return {
    complaints,
    strangers,
    visit: async ({ settings = {}, viewport, scheme = 'light', reducedMotion = false } = {}) => {
      const page = await chromium.context.newPage()
      page.setDefaultTimeout(PATIENCE_MS)
      page.on('pageerror', (error) => complaints.push(String(error.stack ?? error)))
      page.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
      })
      await page.setViewportSize(viewport ?? { width: 1280, height: 900 })
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: reducedMotion ? 'reduce' : 'no-preference' })
      const query = new URLSearchParams(Object.entries(settings).map(([name, value]) => [name, String(value)]))
      await page.goto(`${origin}?${query}`)
      await page.locator('#space').filter({ hasText: 'Needs' }).waitFor()
      return page
    },
    forget: async () => {
      const pages = chromium.context.pages()
      // The browser ends with its last tab.
      const blank = await chromium.context.newPage()
      for (const page of pages) await page.close()
      const devtools = await chromium.context.newCDPSession(blank)
      await devtools.send('Storage.clearDataForOrigin', { origin: new URL(origin).origin, storageTypes: 'all' })
    },
    close: async () => {
      await chromium.close()
      await server?.close()
    },
  }
}

async function serveSources(): Promise<{ address: string; close(): Promise<void> }> {
  const server = await createServer({
    configFile,
    logLevel: 'error',
    // Nothing changes while tests run; a reload in the middle of one would only confuse.
    server: { port: 0, hmr: false, watch: null },
  })
  await server.listen()
  return { address: server.resolvedUrls!.local[0]!, close: () => server.close() }
}

/** Waits until the outcome panel is of this kind, and returns its sentence. */
export async function outcome(page: Page, kind: 'equal' | 'stopped' | 'failed'): Promise<string> {
  // Whatever the end, it is waited for, so that a failure shows its words and not a time-out.
  const panel = page.locator('#outcome:is([data-kind=equal], [data-kind=stopped], [data-kind=failed])')
  await panel.waitFor()
  const said = `${await text(page, '#sentence')} ${await text(page, '#detail')}`
  const got = await panel.getAttribute('data-kind')
  if (got !== kind) throw new Error(`expected the outcome ${kind}, got ${got}: ${said}`)
  return said
}

/** Waits until the disk is on its way: some blocks have moved, not all. */
export async function underWay(page: Page): Promise<void> {
  await page.locator('[data-step=full][aria-current]').waitFor()
  await page.waitForFunction(() => {
    const text = document.querySelector('[data-count=moved]')?.textContent ?? ''
    return Number(text.replaceAll(',', '')) > 0
  })
}

/** The number in a count of the legend. */
export async function legendCount(page: Page, state: string): Promise<number> {
  return Number((await text(page, `[data-count=${state}]`)).replaceAll(',', ''))
}

/** The text of a live figure. */
export function figure(page: Page, name: string): Promise<string> {
  return text(page, `[data-figure=${name}]`)
}

/** The text of an element. */
export async function text(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).textContent()) ?? ''
}
