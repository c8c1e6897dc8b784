import type { Page } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { COMMAND } from '../../../src/protocol/packets/commands.ts'
import { cutAt, leaveAt } from './cut-at.ts'
import { type Demo, startDemo, text } from './visitor.ts'

/** Moves there and back between the browsers. */
const ROUND_TRIPS = 5

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

const sentence = (page: Page) => text(page, '#database [data-part=sentence]')
const says = (page: Page, what: RegExp) => expect.poll(() => sentence(page), { timeout: 60_000 }).toMatch(what)
const rows = async (page: Page) => Number((await text(page, '#database [data-travel=rows]')).replaceAll(',', ''))

/** Rows go on being inserted. */
async function isInUse(page: Page): Promise<void> {
  await expect.poll(() => rows(page), { timeout: 20_000 }).toBeGreaterThan(0)
  const before = await rows(page)
  await expect.poll(() => rows(page), { timeout: 20_000 }).toBeGreaterThan(before)
}

/** SQLite finds nothing wrong, and no row is missing. */
async function isSound(page: Page): Promise<number> {
  await page.getByRole('button', { name: 'Check it' }).click()
  await says(page, /integrity_check says/)
  const [, count] = /says ok, and all ([\d,]+) rows are there/.exec(await sentence(page)) ?? []
  expect(await sentence(page)).toMatch(/says ok/)
  return Number(count!.replaceAll(',', ''))
}

async function moveTo(from: Page, to: Demo): Promise<Page> {
  const said = await from.evaluateHandle(() => {
    const said: string[] = []
    const line = document.querySelector('#database [data-part=sentence]')!
    new MutationObserver(() => said.push(line.textContent ?? '')).observe(line, { childList: true })
    return said
  })
  await from.getByRole('button', { name: 'Move to another tab or device' }).click()
  await from.locator('#database').getByRole('img', { name: 'QR code of the link' }).waitFor()
  const page = await to.visit({ viewport: { width: 390, height: 844 } })
  await page.goto(await from.locator('#database').getByLabel(/^Link/).inputValue())
  await page.getByRole('button', { name: 'Get the database' }).click()
  await says(page, /is here now/)
  await says(from, /The other side has the database now/)
  await isAllThere(from, page)
  const all = (await said.jsonValue()).join()
  expect(all).toContain('on its way to the other side')
  expect(all).not.toContain('is coming')
  return page
}

/** As many rows have come as were acknowledged over there until it was given away, and not one more. */
async function isAllThere(from: Page, page: Page): Promise<void> {
  const rowsIn = async (where: Page, pattern: RegExp) => pattern.exec(await sentence(where))?.[1]
  const left = await rowsIn(from, /has the database now, with ([\d,]+) rows from here/)
  expect(left).toMatch(/[1-9]/)
  expect(await rowsIn(page, /is here now, in \w+, with ([\d,]+) rows/)).toBe(left)
}

it('moves between storages and browsers while rows are inserted, and none is lost', async () => {
  let page = await here.visit()
  await page.getByRole('button', { name: 'Make a database' }).click()
  await says(page, /into a database in IndexedDB, all the time/)
  await isInUse(page)
  let least = 0
  for (const place of ['OPFS', 'IndexedDB', 'OPFS']) {
    await page.getByRole('button', { name: `Move to ${place}` }).click()
    await says(page, new RegExp(`is in ${place} now`))
    await isInUse(page)
  }
  for (let trip = 0; trip < ROUND_TRIPS; trip++) {
    for (const whose of [there, here]) {
      const next = await moveTo(page, whose)
      await page.close()
      page = next
      await isInUse(page)
      const counted = await isSound(page)
      expect(counted).toBeGreaterThan(least)
      least = counted
    }
  }
  expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0)
  await page.close()
}, 300_000)

it('moves to another tab of its browser, wherever it lies', async () => {
  const page = await here.visit()
  await page.getByRole('button', { name: 'Make a database' }).click()
  await says(page, /into a database in IndexedDB, all the time/)
  await page.getByRole('button', { name: 'Move to OPFS' }).click()
  await says(page, /is in OPFS now/)
  await isInUse(page)
  const second = await moveTo(page, here)
  await isInUse(second)
  expect(await sentence(second)).toContain('in IndexedDB')
  // The tab it has left holds nothing any more.
  const third = await moveTo(second, here)
  await isInUse(third)
  expect(await sentence(third)).toContain('in OPFS')
  await isSound(third)
  for (const tab of [page, second, third]) await tab.close()
}, 240_000)

it('stays here, in use, when the other page is closed in the middle', async () => {
  const page = await here.visit()
  await page.getByRole('button', { name: 'Make a database' }).click()
  await isInUse(page)
  await page.getByRole('button', { name: 'Move to another tab or device' }).click()
  await page.locator('#database').getByRole('img', { name: 'QR code of the link' }).waitFor()
  const other = await there.visit()
  await other.goto(await page.locator('#database').getByLabel(/^Link/).inputValue())
  // By itself, as soon as it begins: on a busy machine everything may have moved before a test hears of it.
  await other.evaluate(() => {
    const leave = () => {
      if (document.querySelector('#database [data-part=picture]:not([hidden])')) location.replace('about:blank')
    }
    new MutationObserver(leave).observe(document.body, { attributes: true, childList: true, subtree: true })
  })
  await other.getByRole('button', { name: 'Get the database' }).click()
  await other.waitForURL('about:blank')
  await other.close()
  await says(page, /stays here, and is in use/)
  await isInUse(page)
  await isSound(page)
  await page.close()
})

/** A page with a database in use, and the link to it. */
async function offered(commandAtWhichItIsCut?: number): Promise<Page> {
  const page = await here.visit()
  if (commandAtWhichItIsCut !== undefined) {
    await cutAt(page, commandAtWhichItIsCut)
    await page.reload()
  }
  await page.getByRole('button', { name: 'Make a database' }).click()
  await isInUse(page)
  await page.getByRole('button', { name: 'Move to another tab or device' }).click()
  await page.locator('#database').getByRole('img', { name: 'QR code of the link' }).waitFor()
  return page
}

it.each([
  ['given away, and the other side was not told', 'here', COMMAND.commit],
  ['taken, and this side was not told', 'there', COMMAND.commitResponse],
] as const)(
  'is kept, and told of again, when the connection ends when it was just %s',
  async (_, side, command) => {
    const page = await offered(side === 'here' ? command : undefined)
    const other = await there.visit()
    if (side === 'there') await cutAt(other, command)
    await other.goto(await page.locator('#database').getByLabel(/^Link/).inputValue())
    await other.getByRole('button', { name: 'Get the database' }).click()
    if (side === 'here') await says(other, /before the other side said whose it is/)
    await says(page, /had just been given away|Telling the other side|The other side has the database now/)
    await says(other, /is here now/)
    await says(page, /The other side has the database now/)
    await isAllThere(page, other)
    await isInUse(other)
    await isSound(other)
    await page.close()
    await other.close()
  },
  180_000,
)

it('is used here when the other side is gone before its last word, and somebody says so twice', async () => {
  const page = await offered(COMMAND.commit)
  await leaveAt(page, { shows: 'had just been given away', in: '#database [data-part=sentence]' })
  const other = await there.visit()
  await other.goto(await page.locator('#database').getByLabel(/^Link/).inputValue())
  await other.getByRole('button', { name: 'Get the database' }).click()
  await page.waitForURL('about:blank')
  await page.close()
  await says(other, /before the other side said whose it is/)
  await other.getByRole('button', { name: 'Take it over…' }).click()
  await other.getByText('there are two from now on').waitFor()
  await other.getByRole('button', { name: 'Take it over without the other side' }).click()
  await says(other, /is here now/)
  await isInUse(other)
  await isSound(other)
  expect(await other.getByRole('button', { name: /Take it over/ }).count()).toBe(0)
  await other.close()
}, 120_000)

it('complained about nothing', () => {
  for (const demo of [here, there]) {
    expect(demo.complaints).toEqual([])
    expect(demo.strangers).toEqual([])
  }
})
