import type { Page } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Demo, startDemo, text } from './visitor.ts'

let demo: Demo

beforeAll(async () => {
  demo = await startDemo()
})
afterAll(() => demo?.close())

declare global {
  interface Window {
    /** The kinds of what the page told its worker. */
    told: string[]
  }
}

/** Runs in the page: notes what its worker is told, and, where asked for, is a browser that cannot hand data channels over. */
function watch(canTransfer: boolean): void {
  window.told = []
  const tell = Worker.prototype.postMessage
  Worker.prototype.postMessage = function (this: Worker, message: { type?: string }, transfer: unknown) {
    if (message.type !== undefined) window.told.push(message.type)
    tell.call(this, message, transfer as StructuredSerializeOptions)
  } as Worker['postMessage']
  if (canTransfer) return
  const post = MessagePort.prototype.postMessage
  MessagePort.prototype.postMessage = function (this: MessagePort, message: unknown, transfer: Transferable[] = []) {
    const refused = transfer.some((object) => (object as unknown) instanceof RTCDataChannel)
    if (refused) throw new DOMException('A data channel could not be cloned.', 'DataCloneError')
    post.call(this, message, { transfer })
  } as MessagePort['postMessage']
}

async function ended(page: Page): Promise<string> {
  await page.locator('#travel [data-part=root]').filter({ hasText: /./ }).waitFor()
  return text(page, '#travel [data-part=root]')
}

it.each([
  { host: true, guest: true },
  { host: true, guest: false },
  { host: false, guest: true },
])('a disk goes over what each side has: host has the data channel in its worker $host, guest $guest', async (has) => {
  const page = await demo.visit()
  await page.evaluate(watch, has.host)
  await page.getByRole('button', { name: 'Offer a disk' }).click()
  await page.locator('#travel').getByLabel('Size').selectOption('16 MiB')
  await page.locator('#travel').getByLabel('Speed at most').selectOption('no limit')
  await page.getByRole('button', { name: 'Fill a disk and show its link' }).click()
  await page.getByRole('img', { name: 'QR code of the link' }).waitFor()
  const link = await page.getByLabel(/^Link/).inputValue()

  const other = await demo.visit()
  await other.goto(link)
  await other.evaluate(watch, has.guest)
  await other.getByRole('button', { name: 'Fetch the disk' }).click()

  expect(await ended(other)).toBe(await ended(page))
  expect(await page.evaluate(() => window.told.includes('connect'))).toBe(has.host)
  expect(await other.evaluate(() => window.told.includes('connect'))).toBe(has.guest)
  await page.close()
  await other.close()
})

it('says nothing but what the page shows', () => {
  expect(demo.complaints).toEqual([])
})
