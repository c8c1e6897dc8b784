import type { CDPSession, Page } from 'playwright'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { DiskKind } from './harness/scenarios.ts'
import { type RunningHarness, scenariosIn, startHarness } from './harness/start.ts'

const MiB = 2 ** 20
const KINDS: DiskKind[] = ['indexeddb', 'opfs', 'opfs-async']

let harness: RunningHarness
let page: Page
let devtools: CDPSession
let disks = 0
let name: string

beforeAll(async () => {
  harness = await startHarness()
})
afterAll(() => harness?.close())
beforeEach(async () => {
  name = `disk / ${disks++}` // A name that is no file name.
  page = await harness.openPage()
  devtools = await harness.chromium.context.newCDPSession(page)
})
afterEach(() => page.close())

const inPage = () => scenariosIn(page, 'page')
const inWorker = () => scenariosIn(page, 'worker')

/** Limits what an address' origin may store; undefined lifts the limit. */
async function limit(address: string, quotaSize: number | undefined): Promise<void> {
  const { origin } = new URL(address)
  await devtools.send('Storage.overrideQuotaForOrigin', { origin, ...(quotaSize === undefined ? {} : { quotaSize }) })
}

/** Limits the origin of the pages to what it stores now plus this. */
async function allowMore(bytes: number): Promise<void> {
  const { usage } = await devtools.send('Storage.getUsageAndQuota', { origin: new URL(harness.address).origin })
  await limit(harness.address, usage + bytes)
}

const allowAll = () => limit(harness.address, undefined)

describe.each(KINDS)('a disk in %s', (kind) => {
  it('is there again after the page was reloaded, and its lock is not in the way', async () => {
    expect(await inPage().open(kind, name)).toBe('none')
    expect(await inPage().write(name, 12_345, 100_000, 1)).toBe('none')
    expect(await inPage().flush(name)).toBe('none')
    await page.reload()
    await page.waitForFunction(() => window.callThere !== undefined)
    expect(await inPage().list(kind)).toContain(name)
    expect(await inPage().open(kind, name)).toBe('none')
    expect(await inPage().holds(name, 12_345, 100_000, 1)).toBe(true)
    expect(await inPage().close(name)).toBe('none')
  })

  it('that another tab holds is LOCKED, to open and to delete, until that tab is closed', async () => {
    const other = await harness.openPage()
    expect(await scenariosIn(other, 'page').open(kind, name)).toBe('none')
    expect(await scenariosIn(other, 'page').write(name, 0, 5000, 2)).toBe('none')
    expect(await scenariosIn(other, 'page').flush(name)).toBe('none')
    expect(await inPage().open(kind, name, { lockTimeoutMs: 100 })).toBe('LOCKED')
    expect(await inPage().open(kind, name, { lockTimeoutMs: 0 })).toBe('LOCKED')
    expect(await inPage().delete(kind, name)).toBe('LOCKED')
    const waiting = inPage().open(kind, name, { lockTimeoutMs: 20_000 })
    await other.close()
    expect(await waiting).toBe('none')
    expect(await inPage().holds(name, 0, 5000, 2)).toBe(true)
    expect(await inPage().close(name)).toBe('none')
    expect(await inPage().delete(kind, name)).toBe('none')
    expect(await inPage().list(kind)).not.toContain(name)
  })

  it('that is closed can be opened at once, in the page and in its worker', async () => {
    for (const where of [inPage(), inWorker(), inPage()]) {
      expect(await where.open(kind, name, { lockTimeoutMs: 0 })).toBe('none')
      expect(await where.close(name)).toBe('none')
    }
  })

  it('of another size is a SIZE_MISMATCH, and one that is not there NOT_FOUND', async () => {
    expect(await inPage().open(kind, name)).toBe('none')
    await inPage().close(name)
    expect(await inPage().open(kind, name, { size: 5 * MiB })).toBe('SIZE_MISMATCH')
    expect(await inPage().open(kind, name)).toBe('none')
    await inPage().close(name)
    expect(await inPage().open(kind, `${name} too`, { size: null })).toBe('NOT_FOUND')
    expect(await inPage().list(kind)).not.toContain(`${name} too`)
    expect(await inPage().delete(kind, `${name} too`)).toBe('none')
  })

  it('takes a write larger than any batch', async () => {
    expect(await inPage().writeLarge(kind, name)).toBe(true)
    expect(await inPage().delete(kind, name)).toBe('none')
  })

  it('of a guest gets all that the guest has written when the page is left in the same turn', async () => {
    expect(await inPage().open(kind, name)).toBe('none')
    const all = { writes: 40, flushes: 1, held: 40 }
    expect(await inPage().leaveWhileWriting(name, 40)).toEqual(all)
  })
})

describe('a full quota', () => {
  afterEach(allowAll)

  it.each(['indexeddb', 'opfs-async'] as const)('in the middle of writing to %s keeps what was there', async (kind) => {
    // An origin of its own: Chromium sets aside up to 64 MiB for the IndexedDB of an origin in use and asks again only when that is gone.
    const address = harness.address.replace('127.0.0.1', kind === 'indexeddb' ? 'localhost' : '127.0.0.1')
    if (kind === 'indexeddb') await limit(address, 4 * MiB)
    const tab = await harness.openPage(address)
    const there = scenariosIn(tab, 'page')
    expect(await there.open(kind, name)).toBe('none')
    expect(await there.write(name, 0, MiB, 1)).toBe('none')
    expect(await there.flush(name)).toBe('none')
    // A writable stream works on a copy of the whole file.
    if (kind === 'opfs-async') await allowMore(MiB)
    expect(await there.write(name, 100, 6 * MiB, 2)).toBe('QUOTA_EXCEEDED')
    expect(await there.holds(name, 0, MiB, 1)).toBe(true)
    await limit(address, undefined)
    expect(await there.write(name, 100, 6 * MiB, 3)).toBe('none')
    expect(await there.holds(name, 100, 6 * MiB, 3)).toBe(true)
    expect(await there.holds(name, 0, 100, 1)).toBe(true)
    await there.close(name)
    await there.delete(kind, name)
    await tab.close()
  })

  it.each(['opfs', 'opfs-async'] as const)('shows when a disk in %s is made, not later', async (kind) => {
    await allowMore(MiB)
    expect(await inPage().open(kind, name)).toBe('QUOTA_EXCEEDED')
    expect(await inPage().list(kind)).not.toContain(name)
    await allowAll()
    expect(await inPage().open(kind, name)).toBe('none')
    await inPage().close(name)
    await inPage().delete(kind, name)
  })

  it('does not keep an OPFS disk from being written, since its size is reserved', async () => {
    expect(await inWorker().open('opfs', name)).toBe('none')
    await allowMore(0)
    expect(await inWorker().write(name, 0, 8 * MiB, 1)).toBe('none')
    await inWorker().close(name)
    await inWorker().delete('opfs', name)
  })
})

describe('an IndexedDB disk whose connection is lost', () => {
  it('is opened again, and what was under way is repeated', async () => {
    expect(await inPage().open('indexeddb', name)).toBe('none')
    expect(await inPage().write(name, 0, 1000, 7)).toBe('none')
    expect(await inPage().loseConnection(name)).toEqual(['none', 'none', 'none', 'none'])
    for (const index of [0, 1, 2, 3]) expect(await inPage().holds(name, index * 1000, 1000, index)).toBe(true)
    expect(await inPage().warnings()).toContainEqual(expect.stringMatching(/opened again/))
    await inPage().close(name)
  })

  it('for ever fails with CONNECTION_LOST', async () => {
    expect(await inPage().loseConnectionForEver(name)).toEqual(['CONNECTION_LOST', 'CONNECTION_LOST'])
  })

  it('together with its data is NOT_FOUND, not a disk of zeroes', async () => {
    expect(await inPage().open('indexeddb', name)).toBe('none')
    expect(await inPage().write(name, 0, 1000, 7)).toBe('none')
    const { origin } = new URL(harness.address)
    await devtools.send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' })
    expect(await inPage().write(name, 5000, 1000, 7)).toBe('NOT_FOUND')
    expect(await inPage().flush(name)).toBe('NOT_FOUND')
    expect(await inPage().close(name)).toBe('none')
    expect(await inPage().open('indexeddb', name, { size: null })).toBe('NOT_FOUND')
  })

  it('to a deletion from elsewhere is kept until the disk is closed', async () => {
    expect(await inPage().open('indexeddb', name)).toBe('none')
    expect(await inPage().write(name, 0, 1000, 1)).toBe('none')
    expect(await inPage().deleteUnder(name)).toEqual([true, 'deleted'])
    expect(await inPage().warnings()).toContainEqual(expect.stringMatching(/asks to delete/))
  })
})

describe('an OPFS disk', () => {
  it.each([
    ['the -8 of Chromium as an unsigned number', [2 ** 32 - 8], 'QUOTA_EXCEEDED'],
    ['nothing written', [0], 'QUOTA_EXCEEDED'],
    ['a short count and then nothing', [4000, 0], 'QUOTA_EXCEEDED'],
    ['short counts that add up', [4000, 5999, 1], 'none'],
  ])('compares the count of each write: %s', async (_, counts, code) => {
    expect(await inWorker().open('opfs', name)).toBe('none')
    expect(await inWorker().withWriteCounts(name, counts)).toBe(code)
    if (code === 'none') expect(await inWorker().holds(name, 0, 10_000, 9)).toBe(true)
    await inWorker().close(name)
  })

  it.each([
    ['a lock that lingers', 'NoModificationAllowedError'],
    ["Safari's passing InvalidStateError", 'InvalidStateError'],
  ])('waits for %s, but not for ever', async (_, error) => {
    expect(await inWorker().withOpenErrors(name, Array(5).fill(error), 2000)).toBe('none')
    await inWorker().close(name)
    expect(await inWorker().withOpenErrors(name, Array(1000).fill(error), 200)).toBe('LOCKED')
    expect(await inWorker().withOpenErrors(name, ['UnknownError'], 2000)).toBe('OPEN_FAILED')
  })

  it.each(['opfs', 'opfs-async'] as const)(
    '(%s) goes to another tab while its page is hidden for good, and comes back',
    async (kind) => {
      const other = await harness.openPage()
      const there = scenariosIn(other, 'page')
      expect(await inPage().open(kind, name)).toBe('none')
      expect(await inPage().write(name, 0, 1000, 1)).toBe('none')
      await inPage().hidePage()
      expect(await there.open(kind, name)).toBe('none')
      expect(await there.holds(name, 0, 1000, 1)).toBe(true)
      expect(await there.write(name, 1000, 1000, 2)).toBe('none')
      await other.close()
      expect(await inPage().holds(name, 1000, 1000, 2)).toBe(true)
      expect(await inPage().write(name, 2000, 1000, 3)).toBe('none')
      await inPage().close(name)
    },
  )

  it('keeps the order of writes that wait for the file to be taken again', async () => {
    for (const where of [inPage(), inWorker()]) {
      expect(await where.open('opfs', name)).toBe('none')
      expect(await where.writeAfterRelease(name)).toBe(true)
      await where.close(name)
    }
  })

  it('that was given back says LOCKED to synchronous calls until another call takes it again', async () => {
    expect(await inWorker().open('opfs', name)).toBe('none')
    expect(await inWorker().synchronousAfterRelease(name)).toEqual([
      ['LOCKED', 'LOCKED', 'LOCKED'],
      ['none', 'none', 'none'],
    ])
    await inWorker().close(name)
  })

  it('is reached by the slow API with a warning when its worker does not start', async () => {
    const slow = expect.stringMatching(/slow asynchronous file API/)
    expect(await inPage().withoutWorker(name)).toEqual([slow, slow])
  })

  it('is reached by the slow API with a warning in a shared worker', async () => {
    const there = scenariosIn(page, 'shared-worker')
    expect(await there.open('opfs', name)).toBe('none')
    expect(await there.write(name, 10, 1000, 1)).toBe('none')
    expect(await there.holds(name, 10, 1000, 1)).toBe(true)
    expect(await there.warnings()).toEqual([expect.stringMatching(/slow asynchronous file API/)])
    await there.close(name)
  })
})

it('leaves no error unhandled', () => {
  expect(harness.complaints).toEqual([])
})
