import type { Page } from 'playwright'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { COMMAND } from '../../../src/protocol/packets/commands.ts'
import { type LeavingMoment, leaveAt } from './cut-at.ts'
import {
  BOOT_MS,
  checkFiles,
  diskOf,
  hasGuest,
  linkOf,
  MOVE_MS,
  screen,
  sentence,
  start,
  startTwoDemos,
  type,
} from './machine-visitor.ts'
import type { Demo } from './visitor.ts'

type Side = 'source' | 'destination'

/** One side's page is closed in a moment of the move, and the machine lives on one side: on a closed one it ended as if a plug had been pulled. */
interface Plan {
  readonly closes: Side
  readonly when: string
  readonly at: LeavingMoment
  readonly lives: Side
  /** What the other side says then. */
  readonly says: RegExp
  /** Whoever is left in doubt says that the other one is gone for good. */
  readonly takesOver?: boolean
}

/** Disk, memory and state. */
const PARTS = 3

const said = (shows: string): LeavingMoment => ({ shows, in: '#linux [data-part=sentence]' })
const moved = (part: 'disk' | 'memory'): LeavingMoment => ({
  shows: '[1-9]',
  in: `#linux [data-map=${part}] [data-count=moved]`,
})
const STAYS = /stays with the other side/
const RUNS_ON = /The machine runs on here/
const IN_DOUBT = /only the other side can tell whose the machine is/
const UNHEARD = /given away, and the connection ended before the other side said that it has it/

const plans: Plan[] = [
  { closes: 'destination', when: 'agreeing', at: said('Agreeing'), lives: 'source', says: RUNS_ON },
  { closes: 'destination', when: 'getting the disk', at: moved('disk'), lives: 'source', says: RUNS_ON },
  { closes: 'destination', when: 'getting the memory', at: moved('memory'), lives: 'source', says: RUNS_ON },
  {
    closes: 'destination',
    when: 'about to say that it is prepared',
    at: { before: COMMAND.prepareResponse },
    lives: 'source',
    says: RUNS_ON,
  },
  { closes: 'source', when: 'agreeing', at: said('Agreeing'), lives: 'source', says: STAYS },
  { closes: 'source', when: 'sending the disk', at: moved('disk'), lives: 'source', says: STAYS },
  { closes: 'source', when: 'sending the memory', at: moved('memory'), lives: 'source', says: STAYS },
  { closes: 'source', when: 'stopped', at: said('Stopped'), lives: 'source', says: STAYS },
  {
    closes: 'source',
    when: 'about to prepare',
    at: { before: COMMAND.prepare },
    lives: 'source',
    says: STAYS,
  },
  {
    closes: 'source',
    when: 'waiting for the other to be prepared',
    at: { after: COMMAND.prepare, times: PARTS },
    lives: 'source',
    says: IN_DOUBT,
  },
  {
    closes: 'source',
    when: 'waiting for the other to be prepared, for good',
    at: { after: COMMAND.prepare, times: PARTS },
    lives: 'destination',
    says: IN_DOUBT,
    takesOver: true,
  },
  {
    closes: 'destination',
    when: 'owner, about to say so',
    at: { before: COMMAND.commitResponse },
    lives: 'destination',
    says: UNHEARD,
  },
  {
    closes: 'destination',
    when: 'owner, and said so',
    at: { after: COMMAND.commitResponse, times: PARTS },
    lives: 'destination',
    says: /runs on the other side now/,
  },
]

/** Whoever closes the side that has the machine boots another one afterwards: all of them take ten minutes. */
const isAll = process.env.PLUGS === 'all'
const IN_SHORT = ['agreeing', 'getting the disk', 'about to say that it is prepared', 'stopped']
const chosen = plans.filter(
  ({ when, closes }) => isAll || (IN_SHORT.includes(when) && (closes === 'destination' || when === 'stopped')),
)

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
  for (const page of opened.splice(0)) if (page !== living?.page) await page.close()
  if (living) opened.push(living.page)
})

async function visit(demo: Demo): Promise<{ page: Page; in: Demo }> {
  const page = await demo.visit()
  opened.push(page)
  return { page, in: demo }
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
let living: { page: Page; in: Demo } | undefined

async function machine(): Promise<{ page: Page; in: Demo }> {
  if (living) return living
  const woken = await visit(here)
  await start(woken.page)
  await type(woken.page, COUNT)
  await expect.poll(() => counted(woken.page), { timeout: MOVE_MS }).toBeGreaterThan(FIRST)
  return woken
}

describe.skipIf(!hasGuest('the pages of a running Linux are not closed'))('a Linux lives on exactly one side', () => {
  it.each(chosen)(
    'when the $closes is closed $when: on that of the $lives',
    async ({ closes, at, lives, says, takesOver }) => {
      const source = await machine()
      living = undefined
      const link = await linkOf(source.page)
      const destination = await visit(source.in === here ? there : here)
      await destination.page.goto(link)
      const sides = { source, destination }
      const [closed, other] = closes === 'source' ? [source, destination] : [destination, source]
      await leaveAt(closed.page, at)
      await destination.page.getByRole('button', { name: 'Get the machine' }).click()
      const before = await counted(source.page)
      await closed.page.waitForURL('about:blank', { timeout: MOVE_MS })
      await closed.page.close()
      await expect.poll(() => sentence(other.page), { timeout: MOVE_MS }).toMatch(says)
      if (takesOver) {
        await other.page.getByRole('button', { name: 'Take it over…' }).click()
        await other.page.getByRole('button', { name: 'Take it over without the other side' }).click()
        await expect.poll(() => sentence(other.page)).toMatch(/runs here now, without the last word/)
      }
      if (lives !== closes) {
        const since = Math.max(before, await counted(other.page))
        await expect.poll(() => counted(other.page), { timeout: MOVE_MS }).toBeGreaterThan(since + 3)
        living = other
        return
      }
      const last = await counted(other.page)
      await other.page.waitForTimeout(1000)
      expect(await counted(other.page)).toBe(last)
      expect(await screen(other.page).getAttribute('data-state')).not.toBe('on')
      await other.page.close()
      expect(checkFiles(await diskOf(sides[lives].in), { isUnplugged: true })).toContain('guest:')
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
