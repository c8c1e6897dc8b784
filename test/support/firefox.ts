import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Bidi } from './bidi.ts'

/** Where Debian puts it. */
const path = process.env.FIREFOX ?? '/usr/bin/firefox-esr'

/** Whether there is a Firefox; says so loudly where not. */
export function hasFirefox(): boolean {
  if (existsSync(path)) return true
  console.warn('\nSKIPPED: no Firefox, so nothing moves between two kinds of browsers. Install firefox-esr.\n')
  return false
}

/** One tab of a Firefox of its own. */
export interface Firefox {
  /** Errors and warnings that the page logged, and what was thrown uncaught. */
  readonly complaints: readonly string[]
  goto(url: string): Promise<void>
  /** Evaluates an expression in the page, waits for it when it is a promise, and resolves with its value: a text, a number, a boolean. */
  evaluate(expression: string): Promise<unknown>
  close(): Promise<void>
}

/** Otherwise addresses hide behind mDNS names that nobody resolves. */
const PREFERENCES = 'user_pref("media.peerconnection.ice.obfuscate_host_addresses", false);\n'

/**
 * Starts a headless Firefox on a fresh profile, driven by WebDriver BiDi: Playwright drives only a Firefox of its own making, which is none that
 * anybody uses.
 */
export async function launchFirefox(): Promise<Firefox> {
  const profile = await mkdtemp(join(tmpdir(), 'blockferry-firefox-'))
  await writeFile(join(profile, 'user.js'), PREFERENCES)
  const child = spawn(path, ['--headless', '--no-remote', '--remote-debugging-port=0', '--profile', profile], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Whatever else it keeps goes with the profile.
    env: { ...process.env, HOME: profile },
  })
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const close = async () => {
    child.kill('SIGKILL')
    await ended
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    return { ...(await openTab(await addressOf(child))), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Where it says that it can be driven. */
function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text
      const address = /WebDriver BiDi listening on (ws:\S+)/.exec(said)?.[1]
      if (address) resolve(address)
    })
    child.on('error', reject)
    child.on('close', () => reject(new Error(`Firefox ended: ${said}`)))
  })
}

/** What `script.evaluate` answers. */
interface Evaluated {
  readonly type: 'success' | 'exception'
  readonly result?: { readonly value?: unknown }
  readonly exceptionDetails?: { readonly text: string }
}

async function openTab(address: string): Promise<Omit<Firefox, 'close'>> {
  const complaints: string[] = []
  const bidi = await Bidi.connect(`${address}/session`, {
    events: ['log.entryAdded'],
    listen: (_, params) => {
      const { level, text } = params as { level: string; text: string | null }
      if (level === 'error' || level === 'warn') complaints.push(String(text))
    },
  })
  const { context } = (await bidi.ask('browsingContext.create', { type: 'tab' })) as { context: string }
  return {
    complaints,
    goto: async (url) => {
      await bidi.ask('browsingContext.navigate', { context, url, wait: 'complete' })
    },
    evaluate: async (expression) => {
      const params = { expression, target: { context }, awaitPromise: true }
      const { type, result, exceptionDetails } = (await bidi.ask('script.evaluate', params)) as Evaluated
      if (type === 'exception') throw new Error(`in Firefox: ${exceptionDetails?.text}`)
      return result?.value
    },
  }
}
