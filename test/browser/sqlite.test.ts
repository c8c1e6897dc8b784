import type { Page } from 'playwright'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningHarness, startHarness } from './harness/start.ts'
import type {} from './sqlite/page.ts'

let harness: RunningHarness
let page: Page

beforeAll(async () => {
  harness = await startHarness()
  page = await openPage()
})
afterAll(() => harness?.close())

async function openPage(): Promise<Page> {
  const opened = await harness.chromium.context.newPage()
  await opened.goto(new URL('../sqlite/index.html', harness.address).href)
  await opened.waitForFunction(() => window.sqliteTests !== undefined)
  return opened
}

describe.each([
  { storage: 'opfs', build: 'sync' },
  { storage: 'opfs', build: 'asyncify' },
  { storage: 'opfs', build: 'jspi' },
  { storage: 'indexeddb', build: 'asyncify' },
  { storage: 'indexeddb', build: 'jspi' },
] as const)('over $storage, in the $build build', (config) => {
  it('the tests of file systems that wa-sqlite ships pass', async () => {
    const results = await page.evaluate((asked) => window.sqliteTests.upstream(asked), config)
    expect(results.filter(({ name }) => name.startsWith('sql_'))).toHaveLength(6)
    expect(results.length).toBeGreaterThanOrEqual(15)
    expect(results.filter(({ error }) => error !== undefined)).toEqual([])
  })
})

it.each(['asyncify', 'jspi'] as const)(
  'a database moves from IndexedDB to OPFS and back five times under a writer, and no row is missing (%s)',
  async (build) => {
    const moved = (await page.evaluate((asked) => window.sqliteTests.run('moves', asked), build)) as {
      written: number
      rows: number
      last: number
      sound: unknown
      kept: unknown
      pauses: number[]
    }
    expect(moved.written).toBeGreaterThan(2010)
    expect([moved.rows, moved.last]).toEqual([moved.written, moved.written])
    expect(moved.sound).toEqual([['ok']])
    expect(moved.kept).toEqual([[moved.written]])
    expect(moved.pauses).toHaveLength(10)
  },
  180_000,
)

it('a database that another tab has open is LOCKED', async () => {
  const other = await openPage()
  const locks = () => page.evaluate(async () => (await navigator.locks.query()).held!.length)
  const before = await locks()
  const kept = other.evaluate(() => window.sqliteTests.run('open', 8000))
  // Whoever asks by opening it would be in the way of the other.
  await expect.poll(locks, { timeout: 60_000 }).toBeGreaterThan(before)
  const refused = await page.evaluate(() => window.sqliteTests.run('open', 0).then(String, String))
  expect(refused).toContain('holds this disk')
  expect(await kept).toBe('open')
  expect(await page.evaluate(() => window.sqliteTests.run('open', 0))).toBe('open')
  await other.close()
})

describe('what users have comes in, and goes back where its own program opens it:', () => {
  it.each([
    ['a pool of wa-sqlite', 'pool'],
    ['a plain file of OPFS', 'coop'],
    ['blocks of IDBBatchAtomicVFS', 'idb'],
  ] as const)('%s', async (_, name) => {
    const contents = (await page.evaluate((asked) => window.sqliteTests.run('theirs', asked), name)) as string[]
    expect(contents[0]).toContain('["ok",[[2000,1600000')
    expect(contents).toEqual([contents[0], contents[0], contents[0]])
  })

  it.each([
    ['a pool of wa-sqlite', 'pool'],
    ['a plain file of OPFS', 'coop'],
    ['blocks of IDBBatchAtomicVFS', 'idb'],
  ] as const)(
    '%s, but not what a crash left, nor without its log; and what is written over those is whole',
    async (_, name) => {
      expect(await page.evaluate((asked) => window.sqliteTests.run('crash', asked), name)).toBe('in the middle')
      const found = (await page.evaluate((asked) => window.sqliteTests.run('unfinished', asked), name)) as {
        contents: string[]
      }
      expect(found).toMatchObject({ journal: 'BUSY', after: 'imported', log: 'BUSY', afterLog: 'imported' })
      expect(found.contents[0]).toContain('["ok",[[2000,1600000')
      expect(found.contents[1]).toBe(found.contents[0])
    },
  )

  it('a database that keeps its journal file', async () => {
    const contents = (await page.evaluate(() => window.sqliteTests.run('persistent'))) as string[]
    expect(contents[0]).toContain('["ok",[[2000,1600000')
    expect(contents[1]).toBe(contents[0])
  })

  it('a pool of the official build', async () => {
    const { contents, names } = (await page.evaluate(() => window.sqliteTests.run('official'))) as {
      contents: string[]
      names: string[]
    }
    expect(contents[0]).toContain('["ok",[[2000,1600000')
    expect(contents).toEqual([contents[0], contents[0], contents[0]])
    expect(names).toEqual(['/first.db', '/second.db'])
  })
})
