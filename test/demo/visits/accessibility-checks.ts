import type { Locator, Page } from 'playwright'
import { expect } from 'vitest'

export const PHONE = { width: 390, height: 844 }

/** CSS pixels by which the page can be scrolled sideways. */
export function sidewaysBy(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
}

/** The text of what has the focus. */
export function focused(page: Page): Promise<string> {
  return page.evaluate(() => document.activeElement?.textContent?.trim() ?? '')
}

/** The outline of what has the focus, or of the text beside it, where the control itself is invisible. */
export function focusRing(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement!
    const shown = element.matches('[type=radio]') ? element.nextElementSibling! : element
    return getComputedStyle(shown).outlineStyle
  })
}

/** WCAG 2.2 contrast of every text that can be seen and used with what lies behind it. */
export function textContrasts(page: Page): Promise<{ text: string; ratio: number }[]> {
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

/** Controls without a name, and ids that are there twice. */
export function namingProblems(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = []
    for (const control of document.querySelectorAll<HTMLInputElement>(
      'input, select, button, textarea, [tabindex="0"]',
    )) {
      const label = control.getAttribute('aria-label') ?? control.labels?.[0]?.textContent ?? control.textContent ?? ''
      if (label.trim() === '') found.push(`no name: ${control.outerHTML}`)
    }
    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id)
    for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`twice: ${id}`)
    return found
  })
}

/** Nothing on the page is too wide, too faint or without a name. */
export async function isFine(page: Page): Promise<void> {
  expect(await sidewaysBy(page)).toBe(0)
  expect((await textContrasts(page)).filter(({ ratio }) => ratio < 4.5)).toEqual([])
  expect(await namingProblems(page)).toEqual([])
}

/** Goes on with Tab until this has the focus, which can be seen. */
export async function tabTo(page: Page, control: Locator): Promise<void> {
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
export async function press(page: Page, name: string): Promise<void> {
  await tabTo(page, page.getByRole('button', { name, exact: true }))
  await page.keyboard.press('Enter')
}
