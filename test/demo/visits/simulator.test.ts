import type { Page } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Demo, startDemo, text } from './visitor.ts'

let demo: Demo
let page: Page

beforeAll(async () => {
  demo = await startDemo()
  page = await demo.visit()
  await page.getByRole('button', { name: 'Open the simulator' }).click()
})
afterAll(() => demo?.close())

const runs = async () => Number((await text(page, '#simulator [data-figure=runs]')).replaceAll(',', ''))
const sentence = () => text(page, '#simulator [data-part=sentence]')

it('runs seeds until it is paused, and goes on from there', async () => {
  await page.getByRole('button', { name: 'Run from this seed on' }).click()
  await expect.poll(runs, { timeout: 20_000 }).toBeGreaterThan(20)
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByText(/^Paused after [\d,]+ runs: every promise was kept\.$/).waitFor()
  const paused = await runs()
  expect(await text(page, '#simulator [data-figure=seed]')).toBe(String(paused + 1))
  expect(await page.locator('#simulator .faults li').count()).toBeGreaterThan(3)
  await page.getByRole('button', { name: 'Run on' }).click()
  await expect.poll(runs, { timeout: 20_000 }).toBeGreaterThan(paused)
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByText(/^Paused after/).waitFor()
})

it('tells one seed in full, the same each time', async () => {
  await page.getByLabel('Seed').fill('3')
  const told: string[] = []
  for (let time = 0; time < 2; time++) {
    await page.getByRole('button', { name: 'Show this one in full' }).click()
    await page.getByText('Seed 3 keeps every promise.').waitFor()
    told.push(await text(page, '#simulator [data-part=log]'))
    await page.getByRole('button', { name: 'Start over' }).click()
  }
  expect(told[0]!.split('\n').length).toBeGreaterThan(10)
  expect(told[1]).toBe(told[0])
})

it('takes no seed that is none', async () => {
  await page.getByLabel('Seed').fill('x')
  await page.getByRole('button', { name: 'Show this one in full' }).click()
  expect(await page.getByLabel('Seed').evaluate((field: HTMLInputElement) => field.validationMessage)).toContain(
    'whole number',
  )
  expect(await sentence()).not.toContain('x')
})

it('complained about nothing', () => {
  expect(demo.complaints).toEqual([])
})
