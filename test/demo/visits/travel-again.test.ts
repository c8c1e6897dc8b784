import type { Page } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Demo, startDemo, text } from './visitor.ts'

let demo: Demo

beforeAll(async () => {
  demo = await startDemo()
})
afterAll(() => demo?.close())

/** Starts a move between two tabs, slow enough to be interrupted, and waits until this part has crossed. */
async function underWay(least: number): Promise<{ page: Page; other: Page }> {
  const page = await demo.visit()
  await page.getByRole('button', { name: 'Offer a disk' }).click()
  const choices = { Size: '16 MiB', 'Program writes': '64 KiB/s', 'Kept in': 'OPFS', 'Speed at most': '4 MiB/s' }
  for (const [label, choice] of Object.entries(choices)) {
    await page.locator('#travel').getByLabel(label).selectOption(choice)
  }
  await page.getByRole('button', { name: 'Fill a disk and show its link' }).click()
  await page.getByRole('img', { name: 'QR code of the link' }).waitFor()
  const other = await demo.visit()
  await other.goto(await page.getByLabel(/^Link/).inputValue())
  await other.getByLabel('Keep it in').selectOption('IndexedDB')
  await other.getByRole('button', { name: 'Fetch the disk' }).click()
  await expect
    .poll(async () => Number.parseInt(await text(other, '[data-travel=share]'), 10), { timeout: 30_000 })
    .toBeGreaterThan(least)
  return { page, other }
}

const equal = async (page: Page) => {
  await page.locator('#travel [data-part=outcome][data-kind=equal]').waitFor()
  return text(page, '#travel [data-part=root]')
}

const writes = async (page: Page) => Number((await text(page, '[data-travel=writes]')).replaceAll(',', ''))

const found = (page: Page) => page.getByRole('group', { name: 'What an earlier page left' })

it('goes on after both tabs were closed in the middle, from where it was', async () => {
  const { page, other } = await underWay(30)
  await page.close()
  await other.close()

  const host = await demo.visit()
  await host.getByText(/^A move of a 16 MiB disk was interrupted at \d+ %\.$/).waitFor()
  const guest = await demo.visit()
  const said = guest.getByText(/^A move of a 16 MiB disk to this page was interrupted at \d+ %\.$/)
  await said.waitFor()
  expect(Number(/at (\d+) %/.exec((await said.textContent()) ?? '')?.[1])).toBeGreaterThan(5)
  // One tab, one side: the choices of the other one are made in the other tab.
  await found(host).first().getByRole('button', { name: 'Resume' }).click()
  await found(guest).last().getByRole('button', { name: 'Resume' }).click()
  expect(await equal(host)).toBe(await equal(guest))
  // The disk is used where it is, and the old copy can go.
  await guest.reload()
  await guest.getByText('A disk of 16 MiB that came here earlier is yours.').waitFor()
  await guest.getByText('A disk of 16 MiB was given away from here: it belongs to the other side.').waitFor()
  await found(guest).first().getByRole('button', { name: 'Discard' }).click()
  await guest.getByRole('button', { name: 'Use it here' }).click()
  await expect.poll(() => writes(guest), { timeout: 20_000 }).toBeGreaterThan(10)
  await guest.reload()
  await guest.getByRole('button', { name: 'Delete the disk' }).click()
  await guest.getByRole('button', { name: 'Delete it' }).click()
  await found(guest).waitFor({ state: 'detached' })
  await host.close()
  await guest.close()
})

it('is discarded on either side: the source keeps its disk, the destination frees its place', async () => {
  const { page, other } = await underWay(20)
  await page.close()
  await other.close()
  const later = await demo.visit()
  await later.getByText(/to this page was interrupted at/).waitFor()
  const [atSource, atDestination] = [found(later).first(), found(later).last()]
  await atDestination.getByRole('button', { name: 'Discard' }).click()
  await later.getByText(/to this page was interrupted at/).waitFor({ state: 'detached' })
  await atSource.getByRole('button', { name: 'Discard' }).click()
  await later.getByText('A disk of 16 MiB that was filled here earlier is still here.').waitFor()
  // Deleting is asked twice, and can be thought over.
  await later.getByRole('button', { name: 'Delete the disk' }).click()
  await later.getByRole('button', { name: 'Back' }).click()
  await later.getByRole('button', { name: 'Offer it' }).click()
  await later.getByRole('img', { name: 'QR code of the link' }).waitFor()
  const before = await writes(later)
  await expect.poll(() => writes(later), { timeout: 20_000 }).toBeGreaterThan(before)
  await later.close()
})

it('complained about nothing', () => {
  expect(demo.complaints).toEqual([])
})
