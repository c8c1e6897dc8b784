import type { Page } from 'playwright'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openConnection } from '../../../src/protocol/connection.ts'
import { connectPeers } from '../../../src/transports/pairing/connect-peers.ts'
import { createInvitation } from '../../../src/transports/pairing/invitation.ts'
import { interceptPeers, PeerConnection } from '../../support/peers.ts'
import { takeRendezvousOf } from './meddler.ts'
import { readQr } from './qr-reading.ts'
import { type Demo, PATIENCE_MS, startDemo, text } from './visitor.ts'

/** A second browser has a profile of its own, as on another machine: it shares nothing with the first but the network. */
let here: Demo
let there: Demo
let origin: string

beforeAll(async () => {
  here = await startDemo()
  const page = await here.visit()
  origin = new URL('/', page.url()).href
  await page.close()
  there = await startDemo(origin)
})

afterAll(async () => {
  await there?.close()
  await here?.close()
})

// A disk that came stays where it came to, and the page would ask about it before it fetches another.
afterEach(async () => {
  await there.forget()
  await here.forget()
})

const sentence = (page: Page) => text(page, '[data-part=sentence]')
const writes = async (page: Page) => Number((await text(page, '[data-travel=writes]')).replaceAll(',', ''))

/** What a page shows of a disk under way. */
async function look(page: Page) {
  const drawn = await page.locator('#travel canvas').evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL())
  const moved = Number((await text(page, '#travel [data-count=moved]')).replaceAll(',', ''))
  return { drawn, moved, sentence: await sentence(page) }
}

/** Notes what a page says from now on, also what it says for a moment only. */
async function listen(page: Page): Promise<() => Promise<string[]>> {
  const all = await page.evaluateHandle(() => {
    const said: string[] = []
    const line = document.querySelector('#travel [data-part=sentence]')!
    new MutationObserver(() => said.push(line.textContent ?? '')).observe(line, { childList: true })
    return said
  })
  return () => all.jsonValue()
}

/** Waits until at least this part of the disk has arrived. */
const share = (page: Page, least: number) =>
  expect
    .poll(async () => Number.parseInt(await text(page, '[data-travel=share]'), 10), { timeout: 20_000 })
    .toBeGreaterThan(least * 100)

/** Fills a disk and returns the link that is shown for it, as a text and as a code. */
async function offer(page: Page, choices: Readonly<Record<string, string>> = {}): Promise<string> {
  await page.getByRole('button', { name: 'Offer a disk' }).click()
  for (const [label, choice] of Object.entries({ Size: '16 MiB', 'Program writes': '64 KiB/s', ...choices })) {
    await page.locator('#travel').getByLabel(label).selectOption(choice)
  }
  await page.getByRole('button', { name: 'Fill a disk and show its link' }).click()
  return linkOf(page)
}

async function linkOf(page: Page): Promise<string> {
  const link = () => page.getByLabel(/^Link/).inputValue()
  await page.getByRole('img', { name: 'QR code of the link' }).waitFor()
  // Both are shown anew when the server has said how others reach it.
  await expect.poll(async () => (await readQr(page)) === (await link()), { timeout: PATIENCE_MS }).toBe(true)
  return link()
}

async function fetchDisk(
  demo: Demo,
  link: string,
  { place = 'Memory', page: opened }: { place?: string; page?: Page } = {},
): Promise<Page> {
  const page = opened ?? (await demo.visit())
  await page.goto(link)
  await page.getByLabel('Keep it in').selectOption(place)
  await page.getByRole('button', { name: 'Fetch the disk' }).click()
  return page
}

async function waitForTone(page: Page, tone: 'equal' | 'stopped' | 'failed'): Promise<string> {
  await page
    .locator('#travel [data-part=outcome]:is([data-kind=equal], [data-kind=stopped], [data-kind=failed])')
    .waitFor()
  expect({
    tone: await page.locator('#travel [data-part=outcome]').getAttribute('data-kind'),
    said: await sentence(page),
  }).toEqual({
    tone,
    said: expect.any(String),
  })
  return sentence(page)
}

describe.each([
  ['another tab', () => here, 'OPFS', 'IndexedDB'],
  ['another browser', () => there, 'Memory', 'OPFS'],
] as const)('a disk that is offered to %s', (_, whose, from, to) => {
  it('moves there while it is written, is read before it has arrived, and both sides have one root hash', async () => {
    const page = await here.visit()
    const link = await offer(page, { 'Kept in': from, 'Speed at most': '4 MiB/s' })
    expect(link).toMatch(/#ferry=[\w-]{22}$/)
    const other = await fetchDisk(whose(), link, { place: to })
    expect(other.url()).not.toContain('ferry')

    await other.getByRole('button', { name: 'Read a block now' }).click()
    await other.getByText(/was not here yet, and was read after (\d+ ms|< 1 ms|[\d.]+ s)/).waitFor()
    expect(await sentence(other)).toBe('A disk of 16 MiB is coming in.')

    // Both maps go on while it travels, and so does the program.
    await share(other, 0.1)
    const early = await Promise.all([look(page), look(other), writes(page)])
    await share(other, 0.5)
    const late = await Promise.all([look(page), look(other), writes(page)])
    expect(late[1].sentence).toBe('A disk of 16 MiB is coming in.')
    for (const side of [0, 1] as const) {
      expect(late[side].moved).toBeGreaterThan(early[side].moved)
      expect(late[side].drawn).not.toBe(early[side].drawn)
    }
    expect(late[2]).toBeGreaterThan(early[2])

    expect(await waitForTone(page, 'equal')).toContain('gave the disk away')
    expect(await waitForTone(other, 'equal')).toContain('The disk is here')
    const root = await text(page, '#travel [data-part=root]')
    expect(root).toMatch(/^[0-9a-f]{32}$/)
    expect(await text(other, '#travel [data-part=root]')).toBe(root)

    // The program goes on over there, and has stopped here.
    const wrote = await writes(page)
    expect(wrote).toBeGreaterThan(10)
    await expect.poll(() => writes(other)).toBeGreaterThan(10)
    expect(await writes(page)).toBe(wrote)
    await page.close()
    await other.close()
  })
})

it('connects again by itself after a plug was pulled on either side, and goes on where it was', async () => {
  const page = await here.visit()
  const other = await fetchDisk(there, await offer(page, { Size: '64 MiB', 'Speed at most': '4 MiB/s' }))
  const said = await Promise.all([page, other].map(listen))
  for (const puller of [page, other]) {
    await share(other, 0.1)
    await puller.getByRole('button', { name: 'Pull the plug' }).click()
    const index = puller === page ? 0 : 1
    await expect
      .poll(() => said[index]!().then((all) => all.join('\n')), { timeout: 20_000 })
      .toMatch(/You pulled the plug at \d+ %\./)
    const times = index + 1
    await expect
      .poll(() => said[0]!().then((all) => all.filter((one) => one.startsWith('The other side is back')).length), {
        timeout: 40_000,
      })
      .toBe(times)
  }
  await waitForTone(page, 'equal')
  await waitForTone(other, 'equal')
  await page.close()
  await other.close()
}, 120_000)

it('stays where it was when the other tab is closed, and goes to whoever comes by the link that is shown then', async () => {
  const page = await here.visit()
  const tab = await fetchDisk(here, await offer(page, { 'Speed at most': '4 MiB/s' }))
  await tab.getByRole('button', { name: 'Read a block now' }).waitFor()
  await tab.close()
  await page.getByText(/^The connection ended at \d+ %\. The disk stays here, whole/).waitFor()
  const before = await writes(page)
  await expect.poll(() => writes(page)).toBeGreaterThan(before)
  await page.getByRole('button', { name: 'Withdraw the link' }).click()
  expect(await waitForTone(page, 'stopped')).toContain('withdrawn')

  await page.getByRole('button', { name: 'Show a new link' }).click()
  const other = await fetchDisk(there, await linkOf(page))
  await waitForTone(page, 'equal')
  await waitForTone(other, 'equal')
  await page.close()
  await other.close()
})

it('goes by texts that are carried by hand, on a narrow screen and in the dark', async () => {
  const page = await here.visit({ viewport: { width: 360, height: 740 }, scheme: 'dark' })
  const link = await offer(page, { 'Speed at most': 'no limit' })
  const other = await there.visit({ viewport: { width: 360, height: 740 }, scheme: 'dark' })
  await other.goto(link)
  await other.getByText('Carry it by hand').click()
  const offered = other.getByLabel('Text for the other side')
  await expect.poll(() => offered.inputValue()).toMatch(/^blockferry-/)
  await page.getByText('Carry it by hand').click()
  const theirs = page.getByLabel('Text of the other side')
  await theirs.fill('something else')
  await page.getByRole('button', { name: 'Take this text' }).click()
  await page.getByText('This is not the text of the other side').waitFor()
  expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0)
  await theirs.fill(await offered.inputValue())
  await page.getByRole('button', { name: 'Take this text' }).click()
  const answer = page.getByLabel('Text for the other side')
  await expect.poll(() => answer.inputValue()).toMatch(/^blockferry-/)
  await other.getByLabel('Text of the other side').fill(await answer.inputValue())
  await other.getByRole('button', { name: 'Take this text' }).click()
  await waitForTone(page, 'equal')
  await waitForTone(other, 'equal')
  for (const side of [page, other]) {
    expect(await side.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(
      0,
    )
    await side.close()
  }
})

describe('a link', () => {
  it('with another secret leads nowhere, and one that is damaged is not tried', async () => {
    const page = await here.visit()
    const link = await offer(page)
    const letter = link.at(-2) === 'A' ? 'B' : 'A'
    const wrong = await fetchDisk(there, link.slice(0, -2) + letter + link.at(-1))
    expect(await waitForTone(wrong, 'failed')).toContain('Nobody waits at this link')
    await wrong.goto(link.slice(0, -3))
    await expect.poll(() => sentence(wrong)).toContain('This link is damaged')
    expect(await sentence(page)).toContain('Waiting')

    await page.getByRole('button', { name: 'Withdraw the link' }).click()
    expect(await waitForTone(page, 'stopped')).toContain('withdrawn')
    const late = await fetchDisk(there, link)
    expect(await waitForTone(late, 'failed')).toContain('Nobody waits at this link')
    for (const opened of [page, wrong, late]) await opened.close()
  })

  it('gives nothing to somebody who knows the room and not the secret', async () => {
    const page = await here.visit()
    const rendezvous = await takeRendezvousOf(page)
    await offer(page)
    const { channel } = await connectPeers({ signalling: rendezvous, as: 'guest', RTCPeerConnection: PeerConnection })
    const { secret } = await createInvitation()
    await expect(openConnection([channel], { role: 'dialer', secret })).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
    expect(await waitForTone(page, 'failed')).toContain('does not have the secret')
    await page.close()
  })

  it('gives nothing to a rendezvous that puts itself between the two', async () => {
    const page = await here.visit()
    const toHost = await takeRendezvousOf(page)
    const link = await offer(page)
    const other = await there.visit()
    const toGuest = await takeRendezvousOf(other)
    await Promise.all([interceptPeers({ toHost, toGuest }), fetchDisk(there, link, { page: other })])
    expect(await waitForTone(page, 'failed')).toContain('listens in between')
    expect(await waitForTone(other, 'failed')).toContain('listens in between')
    await page.close()
    await other.close()
  })
})

it('asked no other site for anything, and complained about nothing', () => {
  for (const demo of [here, there]) {
    expect(demo.strangers).toEqual([])
    expect(demo.complaints).toEqual([])
  }
})
