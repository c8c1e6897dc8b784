import type { Page } from 'playwright'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { isFine, PHONE, press, tabTo } from './accessibility-checks.ts'
import {
  ANSWER_MS,
  BOOT_MS,
  checkFiles,
  diskOf,
  hasGuest,
  linkOf,
  MOVE_MS,
  screen,
  sentence,
  shown,
  shows,
  start,
  startTwoDemos,
  type,
} from './machine-visitor.ts'
import type { Demo, VisitOptions } from './visitor.ts'

/** Moves there and back; one is enough to try: `TELEPORTS=1`. */
const ROUND_TRIPS = Number(process.env.TELEPORTS ?? 5)

/** Two browsers with a profile each, as on two machines. */
let here: Demo
let there: Demo
beforeAll(async () => {
  const demos = await startTwoDemos()
  here = demos.here
  there = demos.there
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

async function visit(demo: Demo, options?: VisitOptions): Promise<Page> {
  const page = await demo.visit(options)
  pages.push(page)
  return page
}

/** Opens the link of a machine in another browser, and asks for it. */
async function offer(from: Page, to: Demo): Promise<Page> {
  const link = await linkOf(from)
  const page = await visit(to)
  await page.goto(link)
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

/** The first number that the guest counts to: of seven digits, so that with a space behind it no line of the screen ends in the middle of one. */
const FIRST = 1_000_001

describe.skipIf(!hasGuest('a running Linux does not move'))('a running Linux', () => {
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
      expect(checkFiles(await diskOf(here), { isUnplugged: false })).toContain('guest:')
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
    'is used and offered with nothing but a keyboard, on a phone, in either light',
    async () => {
      const page = await visit(here, { viewport: PHONE, scheme: 'light' })
      const isFineInEitherLight = async () => {
        for (const colorScheme of ['dark', 'light'] as const) {
          await page.emulateMedia({ colorScheme })
          await isFine(page)
        }
      }
      await press(page, 'Start Linux')
      await expect.poll(() => sentence(page), { timeout: BOOT_MS }).toContain('is running in this tab')
      await isFineInEitherLight()
      await tabTo(page, screen(page))
      await page.keyboard.type('uname', { delay: 20 })
      await page.keyboard.press('Enter')
      await shows(page, /^Linux\b/m)
      await page.keyboard.press('Shift+Escape')
      await page.keyboard.press('Enter')
      await page.locator('#linux').getByRole('img', { name: 'QR code of the link' }).waitFor()
      await isFineInEitherLight()
      await press(page, 'Withdraw the link')
      await expect.poll(() => sentence(page)).toContain('withdrawn')
      await isFineInEitherLight()
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
