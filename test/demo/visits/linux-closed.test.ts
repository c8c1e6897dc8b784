import type { Page } from 'playwright'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type LeavingMoment, leaveAt } from './leave-at.ts'
import { BOOT_MS, hasGuest, linkOf, MOVE_MS, screen, sentence, start, startTwoDemos, type } from './machine-visitor.ts'
import type { Demo } from './visitor.ts'

/** The machine runs on where it was, and counts, whenever the page that is to get it is closed before it is prepared. */
const moments: { when: string; at: LeavingMoment }[] = [
  { when: 'agreeing', at: { shows: 'Agreeing', in: '#linux [data-part=sentence]' } },
  { when: 'getting the disk', at: { shows: '[1-9]', in: '#linux [data-map=disk] [data-count=moved]' } },
  { when: 'getting the memory', at: { shows: '[1-9]', in: '#linux [data-map=memory] [data-count=moved]' } },
]

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

/** Who fails leaves no machine running: only the one that lives stays. */
const opened: Page[] = []
afterEach(async () => {
  for (const page of opened.splice(0)) if (page !== living) await page.close()
  if (living) opened.push(living)
})

async function visit(demo: Demo): Promise<Page> {
  const page = await demo.visit()
  opened.push(page)
  return page
}

/** Of seven digits, so that no other number on the screen is taken for one. */
const FIRST = 1_000_001
const COUNT = `i=${FIRST - 1}; while :; do i=$((i+1)); echo $i >> n; sync; echo $i; usleep 100000; done`

/** The last number that the machine has printed here, also on a screen that is hidden. */
async function counted(page: Page): Promise<number> {
  const text = (await screen(page).textContent()) ?? ''
  return Math.max(0, ...[...text.matchAll(/(?<!\d)1\d{6}(?!\d)/g)].map(Number))
}

/** The one that counts, from case to case as long as it lives. */
let living: Page | undefined

async function machine(): Promise<Page> {
  if (living) return living
  const page = await visit(here)
  await start(page)
  await type(page, COUNT)
  await expect.poll(() => counted(page), { timeout: MOVE_MS }).toBeGreaterThan(FIRST)
  return page
}

describe.skipIf(!hasGuest('the pages of a running Linux are not closed'))('a Linux lives on exactly one side', () => {
  it.each(moments)(
    'where it was when the page that is to get it is closed while $when',
    async ({ at }) => {
      const source = await machine()
      living = undefined
      const link = await linkOf(source)
      const destination = await visit(there)
      await destination.goto(link)
      await leaveAt(destination, at)
      await destination.getByRole('button', { name: 'Get the machine' }).click()
      const before = await counted(source)
      await destination.waitForURL('about:blank', { timeout: MOVE_MS })
      await destination.close()
      await expect.poll(() => sentence(source), { timeout: MOVE_MS }).toContain('The machine runs on here')
      const since = Math.max(before, await counted(source))
      await expect.poll(() => counted(source), { timeout: MOVE_MS }).toBeGreaterThan(since + 3)
      living = source
    },
    BOOT_MS + 4 * MOVE_MS,
  )

  it('complained about nothing', () => {
    for (const demo of [here, there]) {
      expect(demo.complaints).toEqual([])
      expect(demo.strangers).toEqual([])
    }
  })
})
