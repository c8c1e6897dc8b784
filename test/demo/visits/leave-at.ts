import type { Page } from 'playwright'

/** When a page leaves: as soon as an element shows a text. */
export interface LeavingMoment {
  /** A regular expression. */
  readonly shows: string
  /** A selector of that element. */
  readonly in: string
}

/** Has an open page, whose channel is in the page itself, leave by itself in a moment: from then on it sends nothing. Its address is `about:blank` then. */
export async function leaveAt(page: Page, moment: LeavingMoment): Promise<void> {
  await page.evaluate((moment) => {
    let hasLeft = false
    const look = () => {
      if (hasLeft || !document.querySelector(moment.in)?.textContent?.match(moment.shows)) return
      hasLeft = true
      location.replace('about:blank')
    }
    new MutationObserver(look).observe(document.body, { childList: true, characterData: true, subtree: true })
    const { send } = RTCDataChannel.prototype
    RTCDataChannel.prototype.send = function (this: RTCDataChannel, data: unknown) {
      if (!hasLeft) (send as (data: unknown) => void).call(this, data)
    } as typeof send
  }, moment)
}
