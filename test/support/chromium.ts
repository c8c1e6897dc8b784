import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium } from 'playwright'
import { findChromium } from './find-chromium.mjs'

/** How a Chromium for tests is started. */
export interface ChromiumOptions {
  /** Folder of the profile; kept. Default: a fresh one, deleted by `close`. */
  profile?: string
  /** More command line flags. */
  flags?: readonly string[]
}

/** A running Chromium. */
export interface Chromium {
  readonly context: BrowserContext
  readonly profile: string
  /** Ends the browser and deletes the profile unless it was given. Idempotent. */
  close(): Promise<void>
}

const FLAGS = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  // Otherwise two peers in one headless browser cannot reach each other: their addresses hide behind mDNS names nobody resolves.
  '--disable-features=WebRtcHideLocalIpsWithMdns',
]

/**
 * Starts a headless Chromium on a profile on disk. Never an incognito context: there OPFS goes through inter-process calls and is 20
 * times slower, and IndexedDB lives in memory.
 */
export async function launchChromium(options: ChromiumOptions = {}): Promise<Chromium> {
  const executablePath = await findChromium({ install: true })
  const profile = options.profile ?? (await mkdtemp(join(tmpdir(), 'blockferry-chromium-')))
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    // Chromium's sandbox refuses to run as root, as in a container.
    chromiumSandbox: process.getuid?.() !== 0,
    args: [...FLAGS, ...(options.flags ?? [])],
  })
  let closing: Promise<void> | undefined
  const close = async () => {
    await context.close()
    if (options.profile === undefined) await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  }
  return {
    context,
    profile,
    close: () => {
      closing ??= close()
      return closing
    },
  }
}
