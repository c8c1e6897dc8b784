import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  type Demo,
  figure,
  legendCount,
  outcome,
  PATIENCE_MS,
  QUICK,
  SLOW,
  startDemo,
  text,
  underWay,
} from './visitor.ts'

let demo: Demo

beforeAll(async () => {
  demo = await startDemo()
})

afterAll(() => demo.close())

it(
  'moves a disk from OPFS to IndexedDB under a writer, and both sides have the same root hash',
  async () => {
    const page = await demo.visit({ settings: { ...SLOW, size: 16 * 2 ** 20 } })
    await page.getByRole('group', { name: 'From' }).getByRole('radio', { name: 'OPFS' }).check()
    await page.getByRole('group', { name: 'To' }).getByRole('radio', { name: 'IndexedDB' }).check()
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await underWay(page)
    await expect.poll(() => figure(page, 'moved'), { timeout: PATIENCE_MS }).toMatch(/^[\d.]+ [KM]iB\/s$/)
    expect(await legendCount(page, 'hot')).toBeGreaterThan(0)
    expect(await page.getByRole('radio', { name: 'Memory' }).first().isDisabled()).toBe(true)

    const said = await outcome(page, 'equal')
    expect(said).toMatch(/Nothing was lost: both disks have the same root hash\. [\d,]+ writes while moving/)
    expect(said).toMatch(/longest pause of the program (< 1|\d+) ms/)
    const root = await text(page, '#root-source')
    expect(root).toMatch(/^[0-9a-f]{32}$/)
    expect(await text(page, '#root-destination')).toBe(root)
    expect(await legendCount(page, 'moved')).toBe(256)
    expect(await figure(page, 'actual')).toMatch(/ms|s/)
    expect(Number.parseFloat(await figure(page, 'share'))).toBeGreaterThan(0.3)
    expect(await page.getByRole('img', { name: /^Block map of 256 blocks/ }).count()).toBe(1)
    await page.close()
  },
  PATIENCE_MS,
)

for (const [source, destination] of [
  ['memory', 'opfs'],
  ['indexeddb', 'memory'],
  ['opfs', 'opfs'],
  ['memory', 'memory'],
] as const) {
  it(
    `moves a disk from ${source} to ${destination}`,
    async () => {
      const page = await demo.visit({ settings: { ...QUICK, source, destination } })
      await page.getByRole('button', { name: 'Start', exact: true }).click()
      expect(await outcome(page, 'equal')).toContain('Nothing was lost')
      await page.close()
    },
    PATIENCE_MS,
  )
}

it('asked no other site for anything, and complained about nothing', () => {
  expect(demo.strangers).toEqual([])
  expect(demo.complaints).toEqual([])
})
