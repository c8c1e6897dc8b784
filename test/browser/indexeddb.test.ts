import type { Page } from 'playwright'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type RunningHarness, scenariosIn, startHarness } from './harness/start.ts'

const KiB = 2 ** 10
const RECORD = 64 * KiB

let harness: RunningHarness
let page: Page
let disks = 0
let name: string

beforeAll(async () => {
  harness = await startHarness()
  page = await harness.openPage()
})
afterAll(() => harness?.close())
beforeEach(() => {
  name = `disk-${disks++}`
})

const inPage = () => scenariosIn(page, 'page')

describe('a disk in IndexedDB', () => {
  it.each([
    ['64 full records', 64, RECORD, 1],
    ['8 MiB in parts of records', 2048, 4 * KiB, 1],
    ['a thousand tiny writes', 1000, 10, 1],
    ['one write of 8 MiB', 1, 128 * RECORD, 1],
  ])('stores %s in few transactions', async (_, count, length, most) => {
    expect(await inPage().open('indexeddb', name)).toBe('none')
    expect(await inPage().countTransactions(name, count, length)).toBeLessThanOrEqual(most)
    expect(await inPage().holds(name, 0, count * length, 5)).toBe(true)
    await inPage().close(name)
  })

  it('keeps of a view no more than its bytes', async () => {
    expect(await inPage().open('indexeddb', name, { size: 5 * RECORD + 7 })).toBe('none')
    expect(await inPage().countTransactions(name, 5, RECORD)).toBe(1)
    await inPage().write(name, 5 * RECORD + 1, 3, 1)
    expect(await inPage().storedRecords(name)).toEqual([...[0, 1, 2, 3, 4].map((record) => [record, RECORD]), [5, 7]])
    await inPage().close(name)
  })

  it('takes no space for zeroes, whether written or discarded', async () => {
    expect(await inPage().open('indexeddb', name, { size: 2 ** 40, recordSize: 4 * KiB })).toBe('none')
    for (const record of [1, 2, 3, 2 ** 27]) await inPage().write(name, record * 4 * KiB, 4 * KiB, 1)
    expect(await inPage().zero(name, 2 * 4 * KiB, 4 * KiB)).toBe('none')
    expect(await inPage().storedRecords(name)).toEqual([1, 3, 2 ** 27].map((record) => [record, 4 * KiB]))
    expect(await inPage().extents(name, 0, 2 ** 40)).toEqual(
      [1, 3, 2 ** 27].map((record) => ({ offset: record * 4 * KiB, length: 4 * KiB })),
    )
    expect(await inPage().zero(name, 4 * KiB + 1, 2 ** 40)).toBe('none')
    expect(await inPage().storedRecords(name)).toEqual([[1, 4 * KiB]])
    expect(await inPage().zero(name, 0, 2 ** 40)).toBe('none')
    expect(await inPage().storedRecords(name)).toEqual([])
    await inPage().close(name)
  })

  it('keeps its record size, and refuses another one', async () => {
    expect(await inPage().open('indexeddb', name, { recordSize: 4 * KiB })).toBe('none')
    await inPage().close(name)
    expect(await inPage().open('indexeddb', name)).toBe('none')
    await inPage().close(name)
    expect(await inPage().open('indexeddb', name, { recordSize: 8 * KiB })).toBe('SIZE_MISMATCH')
    expect(await inPage().open('indexeddb', name, { recordSize: 1000 })).toBe('INVALID_ARGUMENT')
  })

  it('is CORRUPT when a record has the wrong length, and the rest can be read', async () => {
    expect(await inPage().open('indexeddb', name)).toBe('none')
    await inPage().write(name, 0, 4 * RECORD, 1)
    await inPage().close(name)
    await inPage().tamper(name, 1, new Uint8Array(10))
    expect(await inPage().open('indexeddb', name)).toBe('none')
    expect(await inPage().read(name, RECORD + 5, 10)).toBe('CORRUPT')
    expect(await inPage().read(name, 0, 4 * RECORD)).toBe('CORRUPT')
    expect(await inPage().write(name, RECORD + 5, 10, 1)).toBe('CORRUPT')
    expect(await inPage().read(name, 2 * RECORD, 2 * RECORD)).toBe('none')
    await inPage().close(name)
  })

  it.each([
    ['a description from the future', { formatVersion: 2, size: 10, recordSize: 512 }],
    ['a damaged description', { formatVersion: 1, size: -10, recordSize: 512 }],
    ['no description at all', 'hello'],
    ['nothing', null],
  ])('is CORRUPT with %s', async (_, meta) => {
    expect(await inPage().open('indexeddb', name)).toBe('none')
    await inPage().close(name)
    await inPage().tamper(name, 'meta', meta)
    expect(await inPage().open('indexeddb', name)).toBe('CORRUPT')
  })

  it('is CORRUPT when the database is not ours', async () => {
    await inPage().makeForeign(name)
    expect(await inPage().open('indexeddb', name)).toBe('CORRUPT')
  })
})

describe('without Web Locks', () => {
  let tab: Page
  beforeAll(async () => {
    tab = await harness.openPage()
    await scenariosIn(tab, 'page').withoutLocks()
    await scenariosIn(tab, 'worker').withoutLocks()
  })

  it('an IndexedDB disk works, with a warning', async () => {
    const there = scenariosIn(tab, 'page')
    expect(await there.open('indexeddb', name)).toBe('none')
    expect(await there.warnings()).toEqual([expect.stringMatching(/No Web Locks/)])
    expect(await there.write(name, 0, 1000, 1)).toBe('none')
    await there.close(name)
  })

  it('an OPFS disk is still exclusive, by its handle', async () => {
    const there = scenariosIn(tab, 'worker')
    expect(await there.open('opfs', name)).toBe('none')
    expect(await there.open('opfs', name, { lockTimeoutMs: 50 })).toBe('LOCKED')
    expect(await there.delete('opfs', name)).toBe('LOCKED')
    await there.close(name)
    expect(await there.open('opfs', name)).toBe('none')
    await there.close(name)
  })
})

it('leaves no error unhandled', () => {
  expect(harness.complaints).toEqual([])
})
