import type { Page } from 'playwright'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Demo, startDemo, text } from './visitor.ts'

/** A second browser has a profile of its own, as on another machine: it shares nothing with the first but the network. */
let here: Demo
let there: Demo
let origin: string

beforeAll(async () => {
  here = await startDemo()
  const page = await here.visit()
  origin = new URL('/', page.url()).href
  await page.close()
  there = await startDemo(origin)
})

afterAll(async () => {
  await there?.close()
  await here?.close()
})

const sentence = (page: Page) => text(page, '[data-part=sentence]')
const writes = async (page: Page) => Number((await text(page, '[data-travel=writes]')).replaceAll(',', ''))

/** Fills a disk and returns the link that is shown for it. */
async function offer(page: Page, choices: Readonly<Record<string, string>> = {}): Promise<string> {
  await page.getByRole('button', { name: 'Offer a disk' }).click()
  for (const [label, choice] of Object.entries({ Size: '16 MiB', ...choices })) {
    await page.locator('#travel').getByLabel(label).selectOption(choice)
  }
  await page.getByRole('button', { name: 'Fill a disk and show its link' }).click()
  return linkOf(page)
}

async function linkOf(page: Page): Promise<string> {
  await page.getByRole('img', { name: 'QR code of the link' }).waitFor()
  return page.getByLabel(/^Link/).inputValue()
}

async function fetchDisk(demo: Demo, link: string, place = 'Memory'): Promise<Page> {
  const page = await demo.visit()
  await page.goto(link)
  await page.getByLabel('Keep it in').selectOption(place)
  await page.getByRole('button', { name: 'Fetch the disk' }).click()
  return page
}

async function waitForTone(page: Page, tone: 'equal' | 'stopped' | 'failed'): Promise<string> {
  await page
    .locator('#travel [data-part=outcome]:is([data-kind=equal], [data-kind=stopped], [data-kind=failed])')
    .waitFor()
  expect({
    tone: await page.locator('#travel [data-part=outcome]').getAttribute('data-kind'),
    said: await sentence(page),
  }).toEqual({
    tone,
    said: expect.any(String),
  })
  return sentence(page)
}

describe.each([
  ['another tab', () => here, 'OPFS', 'IndexedDB'],
  ['another browser', () => there, 'Memory', 'OPFS'],
] as const)('a disk that is offered to %s', (_, whose, from, to) => {
  it('moves there while it is written, is read before it has arrived, and both sides have one root hash', async () => {
    const page = await here.visit()
    const link = await offer(page, { 'Kept in': from })
    expect(link).toMatch(/#ferry=[\w-]{22}$/)
    const other = await fetchDisk(whose(), link, to)
    expect(other.url()).not.toContain('ferry')

    await other.getByRole('button', { name: 'Read a block now' }).click()
    await other.getByText(/was not here yet, and was read after (\d+ ms|< 1 ms|[\d.]+ s)/).waitFor()
    expect(await sentence(other)).toBe('A disk of 16 MiB is coming in.')

    expect(await waitForTone(page, 'equal')).toContain('gave the disk away')
    expect(await waitForTone(other, 'equal')).toContain('The disk is here')
    const root = await text(page, '#travel [data-part=root]')
    expect(root).toMatch(/^[0-9a-f]{32}$/)
    expect(await text(other, '#travel [data-part=root]')).toBe(root)
    expect(await writes(page)).toBeGreaterThan(10)

    // The program goes on over there, and has stopped here.
    const wrote = await writes(page)
    await expect.poll(() => writes(other)).toBeGreaterThan(10)
    expect(await writes(page)).toBe(wrote)
    await page.close()
    await other.close()
  })
})
