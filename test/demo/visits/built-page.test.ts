import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { type PreviewServer, preview } from 'vite'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { hasGuest, screen, sentence } from './machine-visitor.ts'
import { type Demo, outcome, PATIENCE_MS, QUICK, startDemo, text } from './visitor.ts'

const builder = fileURLToPath(new URL('../../../demo/build.mjs', import.meta.url))
const configFile = fileURLToPath(new URL('../../../vite.config.ts', import.meta.url))

/** Bytes before compression of the script that is loaded at first, and of all that a visitor of the mover loads. A page that a phone loads in a second stays small. */
const LARGEST_ENTRY = 60 * 1024
const LARGEST_VISIT = 250 * 1024

/**
 * Each section has a worker that comes when it is asked for, with its own copy of the library; that of the database brings the face of SQLite's package, too,
 * and that of the simulator all of its scenarios and oracles.
 */
const LARGEST_WORKER = 256 * 1024
const LARGEST_WORKERS: Readonly<Record<string, number>> = { database: 330 * 1024, simulator: 280 * 1024 }

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

it(
  'inserts into a database that moves, and finds it sound',
  async () => {
    const page = await demo.visit()
    const says = (what: RegExp) =>
      expect.poll(() => text(page, '#database [data-part=sentence]'), { timeout: PATIENCE_MS }).toMatch(what)
    await page.getByRole('button', { name: 'Make a database' }).click()
    await says(/into a database in IndexedDB, all the time/)
    await expect.poll(() => text(page, '#database [data-travel=rows]'), { timeout: PATIENCE_MS }).toMatch(/[1-9]/)
    await page.getByRole('button', { name: 'Move to OPFS' }).click()
    await says(/is in OPFS now/)
    await page.getByRole('button', { name: 'Check it' }).click()
    await says(/says ok, and all [1-9][\d,]* rows are there/)
    expect(demo.complaints).toEqual([])
    expect(demo.strangers).toEqual([])
    await page.close()
  },
  3 * PATIENCE_MS,
)

it('says in one sentence that it has no Linux, and what is there without one', async () => {
  const page = await demo.visit()
  await page.getByRole('button', { name: 'Start Linux' }).click()
  await expect.poll(() => sentence(page)).toMatch(/^This page was served without a Linux: [^.]+\.$/)
  expect(await text(page, '#linux [data-part=detail]')).toContain('the database further down')
  expect(await screen(page).isVisible()).toBe(false)
  await page.getByRole('link', { name: 'Go on to the database' }).click()
  const start = page.getByRole('button', { name: 'Make a database' })
  await expect.poll(() => start.evaluate((button) => button.getBoundingClientRect().top)).toBeLessThan(900)
  expect(otherComplaints()).toEqual([])
  await page.close()
})

/** Looks for the guest of this page were answered with 404, of which a browser speaks by itself; takes these, and returns what else it said. */
function otherComplaints(): string[] {
  return demo.complaints
    .splice(0)
    .filter((complaint) => !complaint.includes('the server responded with a status of 404'))
}

/** A disk whose first sector, which the BIOS starts, says something on the screen and halts. */
function talkingDisk(): Buffer {
  const disk = Buffer.alloc(2 ** 20)
  // cld; ds = 0; si = 7c19h; each byte up to a zero goes to the screen by int 10h; hlt.
  Buffer.from('31c08ed8be197cfcac84c07409b40ebb0700cd10ebf2f4ebfd', 'hex').copy(disk)
  disk.write('THIS DISK TALKS\0', 0x19, 'latin1')
  disk.writeUInt16BE(0x55aa, 510)
  return disk
}

it.skipIf(!hasGuest('a machine of the visitor is not started, for want of a BIOS'))(
  'starts a machine from an image and a BIOS of the visitor, and refuses what is none',
  async () => {
    const guest = (name: string) => fileURLToPath(new URL(`../../../build/guest/${name}`, import.meta.url))
    const page = await demo.visit()
    await page.getByRole('button', { name: 'Start Linux' }).click()
    await page.getByLabel('BIOS', { exact: true }).setInputFiles(guest('bios.bin'))
    await page.getByLabel('BIOS of the screen').setInputFiles(guest('vgabios.bin'))
    const image = page.getByLabel('Image of a disk')
    await image.setInputFiles({ name: 'disk.img.gz', mimeType: 'application/gzip', buffer: talkingDisk() })
    await page.getByRole('button', { name: 'Start this one' }).click()
    await page.locator('#linux [data-part=outcome][data-kind=failed]').waitFor()
    await image.setInputFiles({ name: 'disk.img.gz', mimeType: 'application/gzip', buffer: gzipSync(talkingDisk()) })
    await page.getByRole('button', { name: 'Start this one' }).click()
    await expect.poll(() => sentence(page), { timeout: PATIENCE_MS }).toBe('Your machine is running in this tab.')
    await expect.poll(() => screen(page).innerText(), { timeout: 2 * PATIENCE_MS }).toContain('THIS DISK TALKS')
    expect(otherComplaints()).toEqual([])
    expect(demo.strangers).toEqual([])
    await page.close()
  },
  4 * PATIENCE_MS,
)

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
      const largest = LARGEST_WORKERS[file.name.slice(0, file.name.indexOf('.'))] ?? LARGEST_WORKER
      expect(content.length, file.name).toBeLessThan(largest)
    }
    expect(content.match(/(?:src|href)="https?:[^"]*"/g) ?? []).toEqual([])
  }
  expect(visited).toBeGreaterThan(LARGEST_ENTRY)
  expect(visited).toBeLessThan(LARGEST_VISIT)
  expect(bytes).toBeLessThan(LARGEST_BUILD)
})
