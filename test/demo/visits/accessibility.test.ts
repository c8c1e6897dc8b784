import type { Page } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
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
  const problems = await page.evaluate(() => {
    const found: string[] = []
    for (const control of document.querySelectorAll<HTMLInputElement>('input, select, button')) {
      const label = control.getAttribute('aria-label') ?? control.labels?.[0]?.textContent ?? control.textContent ?? ''
      if (label.trim() === '') found.push(`no name: ${control.outerHTML}`)
    }
    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id)
    for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`twice: ${id}`)
    return found
  })
  expect(problems).toEqual([])
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

function sidewaysBy(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
}

function focused(page: Page): Promise<string> {
  return page.evaluate(() => document.activeElement?.textContent?.trim() ?? '')
}

/** The outline of what has the focus, or of the text beside it, where the control itself is invisible. */
function focusRing(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement!
    const shown = element.matches('[type=radio]') ? element.nextElementSibling! : element
    return getComputedStyle(shown).outlineStyle
  })
}

/** WCAG 2.2 contrast of every text that can be seen and used with what lies behind it. */
function textContrasts(page: Page): Promise<{ text: string; ratio: number }[]> {
  return page.evaluate(() => {
    const channels = (colour: string) => (colour.match(/[\d.]+/g) ?? []).map(Number)
    const luminance = (colour: string) => {
      const [red, green, blue] = channels(colour).map((channel) => {
        const share = channel / 255
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
    }
    const behind = (element: Element | null): string => {
      if (!element) return getComputedStyle(document.documentElement).backgroundColor
      const colour = getComputedStyle(element).backgroundColor
      return channels(colour)[3] === 0 ? behind(element.parentElement) : colour
    }
    const results: { text: string; ratio: number }[] = []
    for (const element of document.querySelectorAll('body *')) {
      const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim())
      if (!own || !element.checkVisibility() || element.closest(':disabled, noscript')) continue
      const light = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort((a, b) => b - a)
      results.push({ text: element.textContent!.trim().slice(0, 40), ratio: (light[0]! + 0.05) / (light[1]! + 0.05) })
    }
    return results
  })
}

/** Distance of two `#rrggbb` colours, 0 to 441. */
function distance(a: string, b: string): number {
  const channels = (hex: string) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16))
  const other = channels(b)
  return Math.hypot(...channels(a).map((channel, index) => channel - other[index]!))
}
