import type { Page } from 'playwright'

/** How many packets with this command a small message holds: guarded frames of packets without data, each of length, two checksums, command. */
function packetsIn(bytes: Uint8Array, command: number): number {
  let count = 0
  for (let at = 20; at < bytes.length && bytes.length < 256; at++) {
    const isLength = bytes[at - 12]! < 64 && bytes.subarray(at - 11, at - 8).every((high) => high === 0)
    if (bytes[at] === command && isLength) count++
  }
  return count
}

/**
 * Has the next connection of a page end just before it sends the first packet with this command, and that packet with it. The page keeps its data
 * channels then, as in browsers that cannot hand them to a worker.
 */
export async function cutAt(page: Page, command: number): Promise<void> {
  const install = (packets: typeof packetsIn, command: number) => {
    const post = MessagePort.prototype.postMessage
    MessagePort.prototype.postMessage = function (this: MessagePort, message: unknown, transfer?: unknown) {
      if (Array.isArray(transfer) && transfer.some((item) => item instanceof RTCDataChannel)) {
        throw new DOMException('It stays here.', 'DataCloneError')
      }
      return (post as (...args: unknown[]) => void).call(this, message, transfer)
    } as typeof post
    let isCut = false
    const { send } = RTCDataChannel.prototype
    RTCDataChannel.prototype.send = function (this: RTCDataChannel, data: ArrayBufferView<ArrayBuffer>) {
      if (!isCut && packets(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), command) > 0) {
        isCut = true
        this.close()
        return
      }
      ;(send as (data: unknown) => void).call(this, data)
    } as typeof send
  }
  await page.addInitScript({ content: `(${install})(${packetsIn}, ${command})` })
}

/** When a page leaves: as soon as an element shows a text, or before or after the packets with a command (so many of them) are sent. */
export type LeavingMoment =
  | { readonly shows: string; readonly in: string }
  | { readonly before: number }
  | { readonly after: number; readonly times: number }

/** Has an open page, whose channel is in the page itself, leave by itself in a moment: from then on it sends nothing. Its address is `about:blank` then. */
export async function leaveAt(page: Page, moment: LeavingMoment): Promise<void> {
  const install = (packets: typeof packetsIn, moment: LeavingMoment) => {
    let hasLeft = false
    const leave = () => {
      if (!hasLeft) location.replace('about:blank')
      hasLeft = true
    }
    if ('shows' in moment) {
      const look = () => {
        if (document.querySelector(moment.in)?.textContent?.match(moment.shows)) leave()
      }
      new MutationObserver(look).observe(document.body, { childList: true, characterData: true, subtree: true })
    }
    const command = 'before' in moment ? moment.before : 'after' in moment ? moment.after : undefined
    let left = 'times' in moment ? moment.times : 1
    const { send } = RTCDataChannel.prototype
    RTCDataChannel.prototype.send = function (this: RTCDataChannel, data: ArrayBufferView<ArrayBuffer>) {
      if (command !== undefined) left -= packets(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), command)
      const isTime = command !== undefined && left <= 0
      if (isTime && 'before' in moment) leave()
      if (hasLeft) return
      ;(send as (data: unknown) => void).call(this, data)
      if (isTime) leave()
    } as typeof send
  }
  await page.evaluate(`(${install})(${packetsIn}, ${JSON.stringify(moment)})`)
}
