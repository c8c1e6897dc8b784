import type { Locator, Page } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { focusRing, namingProblems, sidewaysBy, textContrasts } from './accessibility-checks.ts'
import { type Demo, PATIENCE_MS, startDemo, text } from './visitor.ts'

const PHONE = { width: 390, height: 844 }

let demo: Demo
beforeAll(async () => {
  demo = await startDemo()
})
afterAll(() => demo?.close())

/** Nothing on the page is too wide, too faint or without a name. */
async function isFine(page: Page): Promise<void> {
  expect(await sidewaysBy(page)).toBe(0)
  expect((await textContrasts(page)).filter(({ ratio }) => ratio < 4.5)).toEqual([])
  expect(await namingProblems(page)).toEqual([])
}

/** Goes on with Tab until this has the focus, which can be seen. */
async function tabTo(page: Page, control: Locator): Promise<void> {
  await control.waitFor()
  for (let stops = 0; stops < 60; stops++) {
    await page.keyboard.press('Tab')
    if (!(await hasFocus(control))) continue
    expect(await focusRing(page)).not.toBe('none')
    return
  }
  throw new Error(`No key leads to ${control}.`)
}

const hasFocus = (control: Locator) => control.evaluate((element) => element === document.activeElement)

/** Goes to a button with Tab, and presses it. */
async function press(page: Page, name: string): Promise<void> {
  await tabTo(page, page.getByRole('button', { name, exact: true }))
  await page.keyboard.press('Enter')
}

for (const scheme of ['light', 'dark'] as const) {
  it(
    `a database is used with nothing but a keyboard, on a phone, in ${scheme} mode`,
    async () => {
      const page = await demo.visit({ viewport: PHONE, scheme })
      const says = (what: RegExp) =>
        expect.poll(() => text(page, '#database [data-part=sentence]'), { timeout: PATIENCE_MS }).toMatch(what)
      await press(page, 'Make a database')
      await says(/all the time/)
      await isFine(page)
      await press(page, 'Move to OPFS')
      await says(/is in OPFS now/)
      await isFine(page)
      await press(page, 'Check it')
      await says(/says ok/)
      await press(page, 'Move to another tab or device')
      await page.locator('#database').getByRole('img', { name: 'QR code of the link' }).waitFor()
      await isFine(page)
      await press(page, 'Withdraw the link')
      await says(/withdrawn/)
      await isFine(page)
      await page.close()
    },
    4 * PATIENCE_MS,
  )
}

it('complained about nothing', () => {
  expect(demo.complaints).toEqual([])
})
