import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Firefox, hasFirefox, launchFirefox } from '../../support/firefox.ts'
import { type Demo, PATIENCE_MS, startDemo, text } from './visitor.ts'

describe.skipIf(!hasFirefox())('a disk moves between browsers of two kinds', () => {
  let chromium: Demo
  let firefox: Firefox

  beforeAll(async () => {
    chromium = await startDemo()
    firefox = await launchFirefox()
  })
  afterAll(async () => {
    await firefox?.close()
    await chromium?.close()
  })

  /** The text of a part of the section in Firefox. */
  const said = (part: string) =>
    firefox.evaluate(`document.querySelector('#travel [data-part=${part}]')?.textContent ?? ''`)

  /** Waits until Firefox finds an element. */
  const found = (element: string) =>
    expect.poll(() => firefox.evaluate(`(${element} ?? null) !== null`), { timeout: PATIENCE_MS }).toBe(true)

  async function press(name: string): Promise<void> {
    const button = `[...document.querySelectorAll('#travel button')].find((one) => one.textContent === '${name}')`
    await found(button)
    await firefox.evaluate(`${button}.click()`)
  }

  async function choose(name: string, value: string): Promise<void> {
    const list = `document.querySelector('#travel select[name=${name}]')`
    await found(list)
    await firefox.evaluate(`void (${list}.value = '${value}')`)
  }

  it('from Chromium to Firefox, into its OPFS', async () => {
    const page = await chromium.visit()
    await page.getByRole('button', { name: 'Offer a disk' }).click()
    await page.locator('#travel').getByLabel('Size').selectOption('16 MiB')
    await page.getByRole('button', { name: 'Fill a disk and show its link' }).click()
    await page.getByRole('img', { name: 'QR code of the link' }).waitFor()
    await firefox.goto(await page.getByLabel(/^Link/).inputValue())
    await choose('place', 'opfs')
    await press('Fetch the disk')
    await expect.poll(() => said('sentence'), { timeout: PATIENCE_MS }).toContain('The disk is here')
    await page.getByText('This page gave the disk away').waitFor()
    expect(await said('root')).toMatch(/^[0-9a-f]{32}$/)
    expect(await said('root')).toBe(await text(page, '#travel [data-part=root]'))
    await page.close()
  })

  it('from Firefox to Chromium', async () => {
    const page = await chromium.visit()
    await firefox.goto(page.url())
    await press('Offer a disk')
    await choose('size', '16777216')
    await press('Fill a disk and show its link')
    await found(`document.querySelector('#travel svg.qr')`)
    await page.goto(String(await firefox.evaluate(`document.querySelector('#travel input[data-do=select]').value`)))
    await page.getByRole('button', { name: 'Fetch the disk' }).click()
    await page.getByText('The disk is here').waitFor()
    await expect.poll(() => said('sentence')).toContain('This page gave the disk away')
    expect(await said('root')).toMatch(/^[0-9a-f]{32}$/)
    expect(await said('root')).toBe(await text(page, '#travel [data-part=root]'))
    await page.close()
  })

  it('and nobody complains', () => {
    expect(firefox.complaints).toEqual([])
    expect(chromium.complaints).toEqual([])
  })
})
