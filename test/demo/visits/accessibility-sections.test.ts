import { afterAll, beforeAll, expect, it } from 'vitest'
import { isFine, PHONE, press } from './accessibility-checks.ts'
import { type Demo, PATIENCE_MS, startDemo, text } from './visitor.ts'

let demo: Demo
beforeAll(async () => {
  demo = await startDemo()
})
afterAll(() => demo?.close())

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
