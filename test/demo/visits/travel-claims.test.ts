import type { Page } from 'playwright'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { End } from '../../../demo/travel/travel-disks.ts'
import type { Ownership } from '../../../src/migration/journal/ownership.ts'
import { type Demo, startDemo, text } from './visitor.ts'

/** Who owns a disk when the other side does not answer any more, and what its visitor can do about it. */
let demo: Demo

beforeAll(async () => {
  demo = await startDemo()
})
afterEach(() => demo?.forget())
afterAll(() => demo?.close())

const notice = (page: Page) => page.getByRole('group', { name: 'What an earlier page left' })
const writes = async (page: Page) => Number((await text(page, '[data-travel=writes]')).replaceAll(',', ''))
const sentence = (page: Page) => text(page, '#travel [data-part=sentence]')

/** Moves a disk between two tabs and closes both; what is kept of both ends stays. */
async function moved(): Promise<void> {
  const page = await demo.visit()
  await page.getByRole('button', { name: 'Offer a disk' }).click()
  for (const [label, choice] of Object.entries({ Size: '16 MiB', 'Program writes': '64 KiB/s', 'Kept in': 'OPFS' })) {
    await page.locator('#travel').getByLabel(label).selectOption(choice)
  }
  await page.getByRole('button', { name: 'Fill a disk and show its link' }).click()
  await page.getByRole('img', { name: 'QR code of the link' }).waitFor()
  const other = await demo.visit()
  await other.goto(await page.getByLabel(/^Link/).inputValue())
  await other.getByLabel('Keep it in').selectOption('IndexedDB')
  await other.getByRole('button', { name: 'Fetch the disk' }).click()
  for (const side of [page, other]) await side.locator('#travel [data-part=outcome][data-kind=equal]').waitFor()
  await page.close()
  await other.close()
}

/** Winds a journal back to an earlier moment of the same hand-over, as a kill at that moment leaves it. */
async function windBack(end: End, state: Ownership['state'], epoch: number): Promise<void> {
  const page = await demo.visit()
  // As text, since the test's own build step would rewrite the import.
  await page.evaluate(`(async () => {
    const { openJournalOf, surveyEnd } = await import('/travel/travel-disks.ts')
    const journal = await openJournalOf('${end}', await surveyEnd('${end}'))
    await journal.become({ ...journal.ownership, state: '${state}', epoch: ${epoch} })
    await journal.close()
  })()`)
  await page.close()
}

it('is given away for good: the old copy can go, and the new one can be deleted, which is asked twice', async () => {
  await moved()
  const page = await demo.visit()
  await page.getByText('A disk of 16 MiB was given away from here: it belongs to the other side.').waitFor()
  await page.getByText('A disk of 16 MiB that came here earlier is yours.').waitFor()
  await notice(page).first().getByRole('button', { name: 'Discard' }).click()
  await page.getByRole('button', { name: 'Delete the disk' }).click()
  await page.getByText('nobody else has it as it is now').waitFor()
  await page.getByRole('button', { name: 'Delete it' }).click()
  await page.getByRole('button', { name: 'Offer a disk' }).waitFor()
  await page.reload()
  await page.getByRole('button', { name: 'Offer a disk' }).waitFor()
})

it('stands in the way of another disk, and says so', async () => {
  await moved()
  const page = await demo.visit({ viewport: { width: 360, height: 740 } })
  await page.goto(`${new URL('/', page.url()).href}#ferry=AAAAAAAAAAAAAAAAAAAAAA`)
  await page.getByText('the one that your link offers can come here once this one is deleted').waitFor()
  expect(await notice(page).count()).toBe(1)
})

it('is taken over by a destination that was promised it, and that is asked twice and recorded', async () => {
  await moved()
  await windBack('departure', 'released', 1)
  await windBack('arrival', 'prepared', 1)
  const page = await demo.visit()
  await page.getByText('was all here when the last word was missing').waitFor()
  await page.getByText('the other side has not said yet that it has it').waitFor()
  const arrival = notice(page).filter({ hasText: 'when the last word was missing' })
  await arrival.getByRole('button', { name: 'Take it over…' }).click()
  await page.getByText('there are two disks from now on').waitFor()
  await page.getByRole('button', { name: 'Back', exact: true }).click()
  await arrival.getByRole('button', { name: 'Take it over…' }).click()
  await page.getByRole('button', { name: 'Take it over without the other side' }).click()
  await expect.poll(() => writes(page), { timeout: 20_000 }).toBeGreaterThan(0)
  expect(await sentence(page)).toContain('You took the disk over')
  await page.reload()
  await page.getByText('You took it over without the word of the other side; that is recorded with it.').waitFor()
})

it('is taken back by a source whose promise never arrived, and that is asked twice and recorded', async () => {
  await moved()
  await windBack('departure', 'released', 1)
  const page = await demo.visit()
  const departure = notice(page).filter({ hasText: 'has not said yet that it has it' })
  await departure.getByRole('button', { name: 'Take it back…' }).click()
  await page.getByRole('button', { name: 'Take it back without the other side' }).click()
  await page.getByRole('img', { name: 'QR code of the link' }).waitFor()
  const before = await writes(page)
  await expect.poll(() => writes(page), { timeout: 20_000 }).toBeGreaterThan(before)
  await page.reload()
  await page.getByText('You took it back without the word of the other side; that is recorded with it.').waitFor()
})

it('resumes to the last word that was missing, and is owned on the other side alone', async () => {
  await moved()
  await windBack('departure', 'released', 1)
  await windBack('arrival', 'prepared', 1)
  const [source, destination] = [await demo.visit(), await demo.visit()]
  await notice(source).filter({ hasText: 'has not said yet' }).getByRole('button', { name: 'Resume' }).click()
  await notice(destination).filter({ hasText: 'last word was missing' }).getByRole('button', { name: 'Resume' }).click()
  await source.locator('#travel [data-part=outcome][data-kind=equal]').waitFor()
  await expect.poll(() => writes(destination), { timeout: 20_000 }).toBeGreaterThan(0)
  const later = await demo.visit()
  await later.getByText('A disk of 16 MiB was given away from here: it belongs to the other side.').waitFor()
})

it('complained about nothing', () => {
  expect(demo.complaints).toEqual([])
  expect(demo.strangers).toEqual([])
})
