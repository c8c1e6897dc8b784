import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type PreviewServer, preview } from 'vite'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Demo, outcome, PATIENCE_MS, QUICK, startDemo } from './visitor.ts'

const builder = fileURLToPath(new URL('../../../demo/build.mjs', import.meta.url))
const configFile = fileURLToPath(new URL('../../../vite.config.ts', import.meta.url))

/** Bytes before compression of the script that is loaded at first, and of all that a visitor of the mover loads. A page that a phone loads in a second stays small. */
const LARGEST_ENTRY = 60 * 1024
const LARGEST_VISIT = 250 * 1024

/** Each section has a worker that comes when it is asked for, with its own copy of the library; that of the database brings the face of SQLite's package, too. */
const LARGEST_WORKER = 256 * 1024
const LARGEST_DATABASE_WORKER = 330 * 1024

/** Of everything that is ours: the page, five workers, and the machine's side of a running Linux. */
const LARGEST_BUILD = 1500 * 1024

let folder: string
let server: PreviewServer
let demo: Demo

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'blockferry-build-'))
  const outDir = join(folder, 'site/under/a/path')
  execFileSync(process.execPath, [builder, '--out', outDir, '--without-guest'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  server = await preview({
    configFile,
    logLevel: 'error',
    build: { outDir: join(folder, 'site') },
    preview: { host: '127.0.0.1', port: 0, open: false },
  })
  demo = await startDemo(new URL('under/a/path/', server.resolvedUrls!.local[0]).href)
}, 2 * PATIENCE_MS)

afterAll(async () => {
  await demo?.close()
  await server?.close()
  await rm(folder, { recursive: true, force: true })
})

it(
  'runs from any path, as built',
  async () => {
    const page = await demo.visit({ settings: QUICK })
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    expect(await outcome(page, 'equal')).toContain('Nothing was lost')
    expect(demo.complaints).toEqual([])
    expect(demo.strangers).toEqual([])
    await page.close()
  },
  PATIENCE_MS,
)

it('brings two tabs of one browser together without a server that introduces them', async () => {
  const page = await demo.visit()
  await page.getByRole('button', { name: 'Offer a disk' }).click()
  await page.locator('#travel').getByLabel('Size').selectOption('16 MiB')
  await page.getByRole('button', { name: 'Fill a disk and show its link' }).click()
  await page.getByText('No rendezvous is running here').waitFor()
  const other = await demo.visit()
  await other.goto(await page.getByLabel(/^Link/).inputValue())
  await other.getByRole('button', { name: 'Fetch the disk' }).click()
  for (const side of [page, other]) await side.locator('#travel [data-part=outcome][data-kind=equal]').waitFor()
  expect(demo.complaints).toEqual([])
  expect(demo.strangers).toEqual([])
  await page.close()
  await other.close()
})

it('says what it takes, and refuses what is no rendezvous', () => {
  const run = (...args: string[]) => spawnSync(process.execPath, [builder, ...args], { encoding: 'utf8' })
  expect(run('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--rendezvous URL') })
  expect(run('--rendezvous', 'https://example.org')).toMatchObject({ status: 2 })
  expect(run('--everything')).toMatchObject({ status: 2, stderr: expect.stringContaining('--out FOLDER') })
})

it('is small, and names no address but its own', async () => {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  let bytes = 0
  let visited = 0
  for (const file of files) {
    const content = await readFile(join(file.parentPath, file.name), 'utf8')
    // The emulator and SQLite come from their packages, as large as they are, for those who start a machine or a database.
    if (!/^(libv86|v86|wa-sqlite)[.\w-]*\.(wasm|m?js)$/.test(file.name)) bytes += content.length
    if (/^(index-|mover\.worker-|index\.html)/.test(file.name)) visited += content.length
    if (/^index-.*\.js$/.test(file.name)) expect(content.length).toBeLessThan(LARGEST_ENTRY)
    if (/\.worker-/.test(file.name)) {
      const largest = file.name.startsWith('database') ? LARGEST_DATABASE_WORKER : LARGEST_WORKER
      expect(content.length, file.name).toBeLessThan(largest)
    }
    expect(content.match(/(?:src|href)="https?:[^"]*"/g) ?? []).toEqual([])
  }
  expect(visited).toBeGreaterThan(LARGEST_ENTRY)
  expect(visited).toBeLessThan(LARGEST_VISIT)
  expect(bytes).toBeLessThan(LARGEST_BUILD)
})
