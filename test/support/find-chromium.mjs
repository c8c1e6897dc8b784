// Plain JavaScript, so that the test runner can call it before TypeScript is installed.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Names under which systems install a Chromium. */
const SYSTEM_NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** Installing takes a minute on a slow line; a hanging mirror must still end. */
const INSTALL_TIMEOUT_MS = 10 * 60_000

/**
 * Finds an executable Chromium: `CHROMIUM_PATH`, Playwright's own, the system's, and with `install` Debian's package (as root) or
 * Playwright's download.
 *
 * @param {{ install: boolean }} options
 * @returns {Promise<string>} path of the executable
 * @throws {Error} one sentence saying what to do, when none can be had
 */
export async function findChromium({ install }) {
  const found = await findInstalled()
  if (found !== undefined) return found
  const failures = []
  if (install) {
    for (const attempt of [installDebianPackage, installPlaywrights]) {
      try {
        await attempt()
        const installed = await findInstalled()
        if (installed !== undefined) return installed
      } catch (error) {
        failures.push(String(error instanceof Error ? error.message : error).split('\n')[0])
      }
    }
  }
  const tried = failures.length > 0 ? ` (tried to install one: ${failures.join('; ')})` : ''
  throw new Error(`No Chromium found: install one, or set CHROMIUM_PATH to its executable${tried}.`)
}

/** @returns {Promise<string | undefined>} */
async function findInstalled() {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const candidates = [
    process.env.CHROMIUM_PATH,
    await playwrightsPath(),
    ...SYSTEM_NAMES.flatMap((name) => folders.map((folder) => join(folder, name))),
  ]
  for (const path of candidates) {
    // Present is not enough: Playwright's download lacks the system libraries it needs on a bare machine.
    if (path !== undefined && path !== '' && existsSync(path) && (await canRun(path))) return path
  }
  return undefined
}

/** @returns {Promise<string | undefined>} */
async function playwrightsPath() {
  try {
    const { chromium } = await import('playwright')
    return chromium.executablePath()
  } catch {
    return undefined // Playwright itself is not installed yet: the system's Chromium may still do.
  }
}

async function canRun(path) {
  try {
    await run(path, ['--version', '--no-sandbox'], { timeout: 30_000 })
    return true
  } catch {
    return false
  }
}

async function installDebianPackage() {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) throw new Error('not root on Debian')
  const options = { timeout: INSTALL_TIMEOUT_MS, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }
  console.error('Installing the Debian package chromium')
  await run('apt-get', ['update', '-qq'], options)
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], options)
}

async function installPlaywrights() {
  console.error("Downloading Playwright's Chromium")
  const cli = join(import.meta.dirname, '../../node_modules/playwright/cli.js')
  await run(process.execPath, [cli, 'install', 'chromium'], { timeout: INSTALL_TIMEOUT_MS })
}
