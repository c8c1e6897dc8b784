import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Demo, startDemo, text } from './visitor.ts'

/** Moves there and back; one is enough to try: `TELEPORTS=1`. */
const ROUND_TRIPS = Number(process.env.TELEPORTS ?? 5)

/** An emulator on a busy machine with two cores boots in a minute or two. */
const BOOT_MS = 300_000
const MOVE_MS = 180_000

/** What the guest does within a second or two where nothing else is going on. */
const ANSWER_MS = 180_000

const guest = fileURLToPath(new URL('../../../build/guest/disk.img.gz', import.meta.url))
const hasGuest = existsSync(guest)
if (!hasGuest)
  console.warn(
    'SKIPPED: a running Linux does not move, since there is none here; npm run guest builds it from Debian packages',
  )

/** Two browsers with a profile each, as on two machines. */
let here: Demo
let there: Demo
beforeAll(async () => {
  here = await startDemo()
  const page = await here.visit()
  const origin = new URL('/', page.url()).href
  await page.close()
  there = await startDemo(origin)
})
afterAll(async () => {
  await there?.close()
  await here?.close()
})

/** Who fails leaves no machine running. */
const pages: Page[] = []
afterEach(async () => {
  for (const page of pages.splice(0)) await page.close()
})

async function visit(demo: Demo): Promise<Page> {
  const page = await demo.visit()
  pages.push(page)
  return page
}

const sentence = (page: Page) => text(page, '#linux [data-part=sentence]')
const screen = (page: Page) => page.locator('#linux [data-part=screen]')
const shown = async (page: Page) => (await screen(page).innerText()).replaceAll('\u00a0', ' ')

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
}

/** Types a line to the guest. */
async function type(page: Page, line: string): Promise<void> {
  await screen(page).click()
  for (const letter of line) {
    const key = SHIFTED[letter] ?? (/[A-Z]/.test(letter) ? `Key${letter}` : undefined)
    if (key) await page.keyboard.press(`Shift+${key}`, { delay: 20 })
    else await page.keyboard.type(letter, { delay: 20 })
  }
  await page.keyboard.press('Enter')
}

/** Waits until the screen shows it. */
async function shows(page: Page, what: RegExp): Promise<string> {
  await expect.poll(() => shown(page), { timeout: ANSWER_MS }).toMatch(what)
  return what.exec(await shown(page))![0]
}

/** Starts a machine; resolves with all that the page has said until it ran. */
async function start(page: Page): Promise<string[]> {
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

/** Opens the link of a machine in another browser, and asks for it. */
async function offer(from: Page, to: Demo): Promise<Page> {
  await from.getByRole('button', { name: 'Move to another device' }).click()
  await from.locator('#linux').getByRole('img', { name: 'QR code of the link' }).waitFor()
  const page = await visit(to)
  await page.goto(await from.locator('#linux').getByLabel(/^Link/).inputValue())
  await page.getByRole('button', { name: 'Get the machine' }).click()
  return page
}

/** Moves the machine and returns the page that it runs on, and how long it stood still. `meanwhile` is called again and again until it has left. */
async function move(from: Page, to: Demo, meanwhile: () => Promise<void>): Promise<{ page: Page; pauseMs: number }> {
  const page = await offer(from, to)
  const arrived = async () => {
    await meanwhile()
    return sentence(page)
  }
  await expect.poll(arrived, { timeout: MOVE_MS, interval: 1000 }).toContain('runs here now')
  await expect.poll(() => sentence(from), { timeout: 20_000 }).toContain('runs on the other side now')
  await meanwhile()
  const [, pause, unit] = /stood still for ([\d.]+) (ms|s)/.exec(await sentence(from)) ?? []
  return { page, pauseMs: Number(pause) * (unit === 's' ? 1000 : 1) }
}

/** Fetches the whole disk out of a browser; its page must be closed. */
async function diskOf(demo: Demo): Promise<Buffer> {
  const page = await visit(demo)
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

/** The first number that the guest counts to: of seven digits, so that with a space behind it no line of the screen ends in the middle of one. */
const FIRST = 1_000_001

describe.skipIf(!hasGuest)('a running Linux', () => {
  it(
    'boots at the first visit',
    async () => {
      const page = await visit(here)
      const said = (await start(page)).join()
      expect(said).toContain('is booting')
      expect(said).not.toContain('Waking the machine')
    },
    BOOT_MS,
  )

  it(
    'moves between two browsers and back, counting: no number is missing or repeated, and its disk is sound',
    async () => {
      let page = await visit(here)
      await start(page)
      await type(page, 'head -c 3000000 /dev/urandom > big; sha256sum big > sum; sync; cat sum | cut -c1-64')
      const sum = await shows(page, /[0-9a-f]{64}/)
      await type(
        page,
        `i=${FIRST - 1}; (sleep 1; clear; while [ ! -e stop ]; do i=$((i+1)); echo $i >> log; sync; echo -n "$i "; usleep 100000; done) &`,
      )
      await shows(page, new RegExp(`^${FIRST} ${FIRST + 1} `))
      // The screen forgets what leaves it at the top.
      const printed = new Set<number>()
      const read = async () => {
        const numbers = (await shown(page)).match(/\b\d{7}\b/g)!.map(Number)
        expect(numbers).toEqual(numbers.map((_, index) => numbers[0]! + index))
        for (const number of numbers) printed.add(number)
      }
      const pauses: number[] = []
      const startedAt = performance.now()
      for (let trip = 0; trip < ROUND_TRIPS; trip++) {
        for (const whose of [there, here]) {
          const moved = await move(page, whose, read)
          await page.close()
          page = moved.page
          await read()
          expect(moved.pauseMs).toBeGreaterThan(0)
          expect(moved.pauseMs).toBeLessThan(60_000)
          pauses.push(moved.pauseMs)
          await page.waitForTimeout(1500)
          await read()
        }
      }
      const tripMs = (performance.now() - startedAt) / ROUND_TRIPS
      console.log(`pauses of the guest in milliseconds: ${pauses.join(', ')}; a trip: ${Math.round(tripMs / 1000)} s`)
      const last = Math.max(...printed)
      expect(last).toBeGreaterThan(FIRST + 10 * ROUND_TRIPS)
      expect([...printed]).toEqual(Array.from({ length: last - FIRST + 1 }, (_, index) => FIRST + index))
      await type(page, 'touch stop; sleep 2; clear')
      await type(page, `clear; tail -n 1 log; seq ${FIRST} $(tail -n 1 log) | cmp - log && echo ALL-THERE`)
      expect(Number(await shows(page, /^\s*\d+(?=[\s\S]*ALL-THERE\s)/m))).toBeGreaterThanOrEqual(last)
      await type(page, 'clear; sha256sum big | cut -c1-64')
      expect(await shows(page, /[0-9a-f]{64}/)).toBe(sum)
      await type(page, 'clear; sync; mount -o remount,ro /mnt && echo UNWRITTEN | tr A-Z a-z')
      await shows(page, /^unwritten/m)
      // The disk has a clock of its own for what the guest flushed.
      await page.waitForTimeout(2500)
      await page.close()
      const folder = mkdtempSync(join(tmpdir(), 'blockferry-e2fsck-'))
      try {
        const image = join(folder, 'disk.img')
        writeFileSync(image, await diskOf(here))
        const said = execFileSync('e2fsck', ['-fn', image], {
          encoding: 'utf8',
          env: { ...process.env, PATH: `${process.env.PATH}:/sbin:/usr/sbin` },
        })
        expect(said).toContain('guest:')
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
    BOOT_MS + 5 * ANSWER_MS + 2 * ROUND_TRIPS * MOVE_MS,
  )

  it(
    'wakes at the second visit as it was when it had booted, without booting',
    async () => {
      const page = await visit(here)
      const said = (await start(page)).join()
      expect(said).toContain('Waking the machine')
      expect(said).not.toContain('is booting')
      await shows(page, /linux:\/mnt#/)
      await type(page, 'ls; echo AWAKE | tr A-Z a-z')
      await shows(page, /^awake/m)
      expect(await shown(page)).not.toContain('big')
    },
    BOOT_MS + ANSWER_MS,
  )

  it(
    'runs on where it was when the other page is closed in the middle',
    async () => {
      const page = await visit(here)
      await start(page)
      const other = await offer(page, there)
      await expect.poll(() => sentence(other), { timeout: MOVE_MS }).toContain('The machine is coming')
      await other.close()
      await expect.poll(() => sentence(page), { timeout: 60_000 }).toContain('The machine runs on here')
      await type(page, 'echo ALIVE | tr A-Z a-z')
      await shows(page, /^alive/m)
      await page.close()
    },
    BOOT_MS + MOVE_MS + ANSWER_MS,
  )

  it(
    'does not come when the page it runs on is closed in the middle, and starts there again',
    async () => {
      const page = await visit(here)
      await start(page)
      const other = await offer(page, there)
      await expect.poll(() => sentence(other), { timeout: MOVE_MS }).toContain('The machine is coming')
      await page.close()
      await expect.poll(() => sentence(other), { timeout: 60_000 }).toContain('stays with the other side')
      expect(await screen(other).isVisible()).toBe(false)
      await other.close()
      const again = await visit(here)
      await start(again)
      await again.close()
    },
    BOOT_MS + MOVE_MS + ANSWER_MS,
  )

  it(
    'boots anew when what was kept does not go on',
    async () => {
      const page = await visit(here)
      await page.evaluate(async () => {
        const answer = <Value>(request: IDBRequest<Value>) =>
          new Promise<Value>((resolve) => {
            request.onsuccess = () => resolve(request.result)
          })
        const database = await answer(indexedDB.open('keyval-store'))
        const store = () => database.transaction('keyval', 'readwrite').objectStore('keyval')
        const kept = await answer(store().get('blockferry.linux'))
        const bytes = new Blob([new Uint8Array(100_000).fill(7)]).stream()
        const state = await new Response(bytes.pipeThrough(new CompressionStream('gzip'))).blob()
        await answer(store().put({ ...kept, state }, 'blockferry.linux'))
        database.close()
      })
      expect((await start(page)).join()).toMatch(/Waking the machine.*is booting/)
      await type(page, 'echo ALIVE | tr A-Z a-z')
      await shows(page, /^alive/m)
    },
    BOOT_MS + ANSWER_MS,
  )

  it('complained about nothing', () => {
    for (const demo of [here, there]) {
      expect(demo.complaints).toEqual([])
      expect(demo.strangers).toEqual([])
    }
  })
})
