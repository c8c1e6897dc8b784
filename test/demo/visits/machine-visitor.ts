import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright'
import { expect } from 'vitest'
import { type Demo, startDemo, text } from './visitor.ts'

/** An emulator on a busy machine with two cores boots in a minute or two. */
export const BOOT_MS = 300_000
export const MOVE_MS = 180_000

/** What the guest does within a second or two where nothing else is going on. */
export const ANSWER_MS = 180_000

/** Whether `npm run guest` was run here. Says aloud what is left out without it. */
export function hasGuest(leftOut: string): boolean {
  const isThere = existsSync(fileURLToPath(new URL('../../../build/guest/disk.img.gz', import.meta.url)))
  if (!isThere) {
    console.warn(`SKIPPED: ${leftOut}: there is no Linux here; npm run guest builds one from Debian packages`)
  }
  return isThere
}

/** Two browsers with a profile each, as on two machines. */
export async function startTwoDemos(): Promise<{ here: Demo; there: Demo }> {
  const here = await startDemo()
  const page = await here.visit()
  const origin = new URL('/', page.url()).href
  await page.close()
  return { here, there: await startDemo(origin) }
}

export const sentence = (page: Page) => text(page, '#linux [data-part=sentence]')
export const screen = (page: Page) => page.locator('#linux [data-part=screen]')
export const shown = async (page: Page) => (await screen(page).innerText()).replaceAll('\u00a0', ' ')

/** Keys that give these with Shift: a guest hears of keys, not of letters. */
const SHIFTED: Readonly<Record<string, string>> = {
  '>': 'Period',
  '|': 'Backslash',
  '&': 'Digit7',
  $: 'Digit4',
  '(': 'Digit9',
  ')': 'Digit0',
  '+': 'Equal',
  '"': 'Quote',
  '!': 'Digit1',
  ':': 'Semicolon',
}

/** Types a line to the guest. */
export async function type(page: Page, line: string): Promise<void> {
  await screen(page).click()
  for (const letter of line) {
    const key = SHIFTED[letter] ?? (/[A-Z]/.test(letter) ? `Key${letter}` : undefined)
    if (key) await page.keyboard.press(`Shift+${key}`, { delay: 20 })
    else await page.keyboard.type(letter, { delay: 20 })
  }
  await page.keyboard.press('Enter')
}

/** Waits until the screen shows it. */
export async function shows(page: Page, what: RegExp): Promise<string> {
  await expect.poll(() => shown(page), { timeout: ANSWER_MS }).toMatch(what)
  return what.exec(await shown(page))![0]
}

/** Starts a machine; resolves with all that the page has said until it ran. */
export async function start(page: Page): Promise<string[]> {
  const said = await page.evaluateHandle(() => {
    const said: string[] = []
    const section = document.querySelector('#linux')!
    new MutationObserver(() => {
      const text = section.querySelector('[data-part=sentence]')?.textContent
      if (text && text !== said.at(-1)) said.push(text)
    }).observe(section, { childList: true, characterData: true, subtree: true })
    return said
  })
  await page.getByRole('button', { name: 'Start Linux' }).click()
  await expect.poll(() => sentence(page), { timeout: BOOT_MS }).toContain('is running in this tab')
  return said.jsonValue()
}

/** The link to a machine that is offered from now on. */
export async function linkOf(from: Page): Promise<string> {
  await from.getByRole('button', { name: 'Move to another device' }).click()
  await from.locator('#linux').getByRole('img', { name: 'QR code of the link' }).waitFor()
  return from.locator('#linux').getByLabel(/^Link/).inputValue()
}

/** Fetches the whole disk out of a browser, whose pages with a machine must be closed. */
export async function diskOf(demo: Demo): Promise<Buffer> {
  const page = await demo.visit()
  const content = await page.evaluate(`(async () => {
    const { OpfsStorage } = await import('/@fs${fileURLToPath(new URL('../../../src/sources/opfs.ts', import.meta.url))}')
    const disk = await OpfsStorage.open('blockferry-linux')
    const bytes = new Uint8Array(disk.size)
    for (let at = 0; at < bytes.length; at += 2 ** 20) await disk.readAt(bytes.subarray(at, at + 2 ** 20), at)
    await disk.close()
    const url = await new Promise((resolve) => {
      const reader = new FileReader()
      reader.onload = () => resolve(reader.result)
      reader.readAsDataURL(new Blob([bytes]))
    })
    return url.slice(url.indexOf(',') + 1)
  })()`)
  await page.close()
  return Buffer.from(content as string, 'base64')
}

/** What `e2fsck -fn` says of a disk; one that a plug was pulled from gets its journal played back before, as mounting does. @throws when something is wrong with it */
export function checkFiles(disk: Buffer, { isUnplugged }: { isUnplugged: boolean }): string {
  const folder = mkdtempSync(join(tmpdir(), 'blockferry-e2fsck-'))
  const e2fsck = (...args: string[]) =>
    execFileSync('e2fsck', args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, PATH: `${process.env.PATH}:/sbin:/usr/sbin` },
    })
  try {
    const image = join(folder, 'disk.img')
    writeFileSync(image, disk)
    if (isUnplugged) e2fsck('-y', '-E', 'journal_only', image)
    return e2fsck('-fn', image)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
