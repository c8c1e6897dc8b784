import { afterAll, beforeAll, expect, it } from 'vitest'
import { focused, focusRing, namingProblems, sidewaysBy, textContrasts } from './accessibility-checks.ts'
import { type Demo, outcome, PATIENCE_MS, QUICK, SLOW, startDemo, underWay } from './visitor.ts'

let demo: Demo

beforeAll(async () => {
  demo = await startDemo()
})

afterAll(() => demo.close())

for (const width of [390, 768, 1024, 1280]) {
  it(`does not scroll sideways at ${width} pixels`, async () => {
    const page = await demo.visit({ viewport: { width, height: 844 } })
    expect(await sidewaysBy(page)).toBe(0)
    await page.close()
  })
}

it('does not scroll sideways at 360 pixels, whatever is shown', async () => {
  const page = await demo.visit({ settings: QUICK, viewport: { width: 360, height: 740 } })
  expect(await sidewaysBy(page)).toBe(0)
  await page.getByRole('button', { name: 'Start', exact: true }).click()
  await underWay(page)
  expect(await sidewaysBy(page)).toBe(0)
  // The button lies below the fold of the stage, which has come into view.
  expect(await page.locator('#sentence').evaluate((sentence) => sentence.getBoundingClientRect().top)).toBeLessThan(370)
  await outcome(page, 'equal')
  expect(await sidewaysBy(page)).toBe(0)
  await page.close()
})

it(
  'can be used with nothing but a keyboard',
  async () => {
    const page = await demo.visit({ settings: { ...SLOW, source: 'memory', destination: 'memory' } })
    await page.keyboard.press('Tab')
    expect(await focused(page)).toBe('Skip to the disk mover')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('ArrowRight')
    expect(await page.getByRole('radio', { name: 'OPFS' }).first().isChecked()).toBe(true)
    expect(await focusRing(page)).not.toBe('none')
    // From, to, size, block size, rate, pattern, speed: seven stops on the way to the button.
    for (let stop = 0; stop < 7; stop++) await page.keyboard.press('Tab')
    expect(await focused(page)).toBe('Start')
    await page.keyboard.press('Enter')
    await underWay(page)
    expect(await focused(page)).toMatch(/^Cancel/)
    await page.keyboard.press('Escape')
    await outcome(page, 'stopped')
    expect(await focused(page)).toBe('Start')
    await page.close()
  },
  PATIENCE_MS,
)

for (const scheme of ['light', 'dark'] as const) {
  it(`has text of good contrast in ${scheme} mode`, async () => {
    const page = await demo.visit({ settings: QUICK, scheme })
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await outcome(page, 'equal')
    const poor = (await textContrasts(page)).filter(({ ratio }) => ratio < 4.5)
    expect(poor).toEqual([])
    await page.close()
  })

  it(`draws states in ${scheme} mode that can be told apart`, async () => {
    const page = await demo.visit({ scheme })
    const colours = await page.evaluate(() => {
      const style = getComputedStyle(document.documentElement)
      return ['empty', 'waiting', 'moving', 'moved', 'dirty'].map((name) => style.getPropertyValue(`--${name}`).trim())
    })
    for (const [index, colour] of colours.entries()) {
      for (const other of colours.slice(index + 1)) expect(distance(colour, other)).toBeGreaterThan(60)
    }
    await page.close()
  })
}

it('names every control, and nothing twice', async () => {
  const page = await demo.visit()
  expect(await namingProblems(page)).toEqual([])
  await page.close()
})

it('moves less on request', async () => {
  const page = await demo.visit({ settings: QUICK, reducedMotion: true })
  const transition = await page
    .locator('.route li')
    .first()
    .evaluate((item) => getComputedStyle(item).transitionDuration)
  expect(transition).toBe('0s')
  await page.getByRole('button', { name: 'Start', exact: true }).click()
  expect(await outcome(page, 'equal')).toContain('Nothing was lost')
  await page.close()
})

it('complained about nothing', () => {
  expect(demo.complaints).toEqual([])
})

/** Distance of two `#rrggbb` colours, 0 to 441. */
function distance(a: string, b: string): number {
  const channels = (hex: string) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16))
  const other = channels(b)
  return Math.hypot(...channels(a).map((channel, index) => channel - other[index]!))
}
