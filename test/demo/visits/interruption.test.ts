import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Demo, outcome, PATIENCE_MS, QUICK, SLOW, startDemo, underWay } from './visitor.ts'

let demo: Demo

beforeAll(async () => {
  demo = await startDemo()
})

afterAll(() => demo.close())

it(
  'leaves the source alone when cancelled in the middle, and moves it at the next try',
  async () => {
    const page = await demo.visit({ settings: SLOW })
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await underWay(page)
    await page.getByRole('button', { name: 'Cancel' }).click()
    expect(await outcome(page, 'stopped')).toContain('The move changed nothing on the source disk in OPFS')

    await page.getByLabel('Speed of the move').selectOption('0')
    await page.getByRole('button', { name: 'Move it again' }).click()
    expect(await outcome(page, 'equal')).toContain('Nothing was lost')
    await page.close()
  },
  PATIENCE_MS,
)

it(
  'keeps a cancelled source in memory for the next try',
  async () => {
    const page = await demo.visit({ settings: { ...SLOW, source: 'memory', destination: 'memory' } })
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await underWay(page)
    await page.keyboard.press('Escape')
    await outcome(page, 'stopped')
    await page.getByLabel('Speed of the move').selectOption('0')
    await page.getByRole('button', { name: 'Move it again' }).click()
    expect(await outcome(page, 'equal')).toContain('Nothing was lost')
    await page.close()
  },
  PATIENCE_MS,
)

it(
  'notices after a reload what an interrupted run left, and moves it',
  async () => {
    const page = await demo.visit({ settings: SLOW })
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await underWay(page)
    await page.reload()
    await page.getByText('The source disk of an interrupted run is still here: 64 MiB in OPFS.').waitFor()
    expect(await page.getByLabel('Size', { exact: true }).inputValue()).toBe(String(64 * 2 ** 20))
    await page.getByLabel('Speed of the move').selectOption('0')
    await page.getByRole('button', { name: 'Move it again' }).click()
    expect(await outcome(page, 'equal')).toContain('Nothing was lost')
    await page.close()
  },
  PATIENCE_MS,
)

it(
  'discards what an interrupted run left, and keeps the settings over a reload',
  async () => {
    const page = await demo.visit()
    await page.getByLabel('Size', { exact: true }).selectOption(String(32 * 2 ** 20))
    await page.getByLabel('Speed of the move').selectOption(String(8 * 2 ** 20))
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await underWay(page)
    await page.reload()
    await page.getByRole('button', { name: 'Discard it' }).click()
    await page.getByText('No demo disk is kept in your browser.').waitFor()
    expect(await page.locator('#interrupted').isHidden()).toBe(true)
    expect(await page.getByLabel('Size', { exact: true }).inputValue()).toBe(String(32 * 2 ** 20))
    await page.close()
  },
  PATIENCE_MS,
)

it(
  'deletes its disks on request',
  async () => {
    const page = await demo.visit({ settings: { ...QUICK, destination: 'opfs' } })
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await outcome(page, 'equal')
    await page.getByText(/Demo disks occupy [\d.]+ MiB/).waitFor()
    await page.getByRole('button', { name: 'Delete the demo disks' }).click()
    await page.getByText('No demo disk is kept in your browser.').waitFor()
    await page.close()
  },
  PATIENCE_MS,
)

it(
  'says so when another tab uses the disks',
  async () => {
    const first = await demo.visit({ settings: SLOW })
    await first.getByRole('button', { name: 'Start', exact: true }).click()
    await underWay(first)
    const second = await demo.visit({ settings: QUICK })
    expect(await second.locator('#interrupted').isHidden()).toBe(true)
    await second.getByRole('button', { name: 'Start', exact: true }).click()
    expect(await outcome(second, 'failed')).toMatch(/^Another tab is using the demo disks; .* LOCKED/)
    await second.close()
    await first.keyboard.press('Escape')
    await outcome(first, 'stopped')
    await first.close()
  },
  PATIENCE_MS,
)

for (const [where, settings] of [
  ['source', { source: 'opfs', destination: 'memory' }],
  ['destination', { source: 'memory', destination: 'opfs' }],
] as const) {
  it(
    `says what to do when there is no room for the ${where}, and moves once there is`,
    async () => {
      const page = await demo.visit({ settings: { ...QUICK, ...settings } })
      const session = await page.context().newCDPSession(page)
      const { origin } = new URL(page.url())
      await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 4 * 2 ** 20 })
      await page.getByRole('button', { name: 'Start', exact: true }).click()
      const said = await outcome(page, 'failed')
      expect(said).toContain('choose a smaller disk, or delete the demo disks')
      expect(said).toContain('QUOTA_EXCEEDED')
      expect(said.includes('The source disk is unchanged')).toBe(where === 'destination')
      await session.send('Storage.overrideQuotaForOrigin', { origin })
      await page.getByRole('button', { name: where === 'source' ? 'Start' : 'Move it again', exact: true }).click()
      expect(await outcome(page, 'equal')).toContain('Nothing was lost')
      await page.close()
    },
    PATIENCE_MS,
  )
}

it('offers the other storages where the browser has no OPFS', async () => {
  const blank = await demo.visit()
  await blank.context().addInitScript(() => Reflect.deleteProperty(StorageManager.prototype, 'getDirectory'))
  const page = await demo.visit({ settings: { ...QUICK, source: 'opfs', destination: 'memory' } })
  const from = page.getByRole('group', { name: 'From' })
  await page.getByText('Needs 32 MiB of memory.').waitFor()
  expect(await from.getByRole('radio', { name: 'OPFS' }).isDisabled()).toBe(true)
  expect(await from.getByRole('radio', { name: 'Memory' }).isChecked()).toBe(true)
  await page.close()
  await blank.close()
})

it('complained about nothing', () => {
  expect(demo.complaints).toEqual([])
})
