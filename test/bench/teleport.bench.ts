import { relative } from 'node:path'
import type { Page } from 'playwright'
import { hasGuest, startedGuestPath } from '../adapters/v86/guest.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import type {} from './browser/machines.ts'
import { inChromium } from './in-chromium.ts'
import { median, spread } from './measure.ts'

/** Writes a MiB a second to its file system, in four parts. */
const WRITING = 'while :; do dd if=/dev/zero of=/mnt/written bs=64k count=4 2>/dev/null; sync; usleep 250000; done &\n'

/** Adds to a number in the guest's shell. */
const LOOP = 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo end-of-"loop"\n'

/** Where a page finds a guest that has started; undefined for a machine that only counts. */
async function guestUrl(toy: boolean): Promise<string | undefined> {
  if (toy) return undefined
  if (!hasGuest) throw new Error('there is no guest; npm run guest builds it')
  return `/${relative(process.cwd(), await startedGuestPath())}`
}

async function withMachines<Result>(count: number, work: (pages: Page[]) => Promise<Result>): Promise<Result> {
  return inChromium(count, async (pages) => {
    for (const page of pages) {
      await page.addScriptTag({ type: 'module', url: '/test/bench/browser/machines.ts' })
      await page.waitForFunction(() => window.machines !== undefined)
    }
    return work(pages)
  })
}

/** Moves the machine of one page to the other. */
async function move(from: Page, to: Page) {
  const offer = await from.evaluate(() => window.machines.machineOffer())
  const answer = await to.evaluate((sdp) => window.machines.machineAnswer(sdp, 'opfs'), offer)
  await from.evaluate((sdp) => window.machines.machineAccept(sdp), answer)
  const moved = (page: Page) => page.evaluate(() => window.machines.machineMoved())
  const [left, came] = await Promise.all([moved(from), moved(to)])
  return { ...left, ...came }
}

/** Milliseconds from the stop of the guest in one Chromium to the word that it runs in another, there and back. */
async function teleports(pages: Page[], { toy, writes }: { toy: boolean; writes: boolean }): Promise<BenchmarkResult> {
  const url = await guestUrl(toy)
  let [from, to] = pages as [Page, Page]
  await from.evaluate((url) => window.machines.machineStart(url, 'opfs'), url)
  if (writes && !toy) await from.evaluate((text) => window.machines.machineType(text), WRITING)
  const pauses: number[] = []
  const clocks: number[] = []
  const whole: number[] = []
  for (let run = toy ? 0 : -1; run < (toy ? 1 : 10); run++) {
    if (!toy) await new Promise((resolve) => setTimeout(resolve, 500))
    const { pauseMs, stoppedAt, runsAt, tookMs } = await move(from, to)
    ;[from, to] = [to, from]
    if (run < 0) continue
    pauses.push(pauseMs!)
    clocks.push(runsAt! - stoppedAt!)
    whole.push(tookMs!)
  }
  return {
    value: median(pauses),
    unit: 'ms',
    limit: null,
    ratio: null,
    runs: pauses.length,
    spread: spread(pauses),
    note:
      `two Chromiums over WebRTC, 128 MiB of memory, 64 MiB ext4 in OPFS; the longest ${Math.max(...pauses).toFixed(0)} ms, ` +
      `by the clock of the machine ${median(clocks).toFixed(0)} ms; a whole move takes ${(median(whole) / 1000).toFixed(1)} s`,
  }
}

/** How much longer a fixed loop in the guest takes while its machine is on its way, in percent; runs that were still going when it was stopped do not count. */
async function slowdown(pages: Page[], toy: boolean): Promise<BenchmarkResult> {
  const url = await guestUrl(toy)
  let [from, to] = pages as [Page, Page]
  await from.evaluate((url) => window.machines.machineStart(url, 'opfs'), url)
  const loop = async () => {
    if (toy) return from.evaluate(() => window.machines.machineCounts(100))
    return from.evaluate(([text, end]) => window.machines.machineTakes(text!, end!), [LOOP, 'end-of-loop'])
  }
  const alone: number[] = []
  const moving: number[] = []
  for (let run = 0; run < (toy ? 1 : 5); run++) {
    alone.push(await loop())
    const moved = move(from, to)
    await from.waitForFunction(() => window.machines.machinePhase() === 'moving')
    let isOver = false
    const over = moved.then(() => {
      isOver = true
    })
    const timed = loop().catch(() => undefined)
    const took = await Promise.race([timed, over.then(() => undefined)])
    if (took !== undefined && !isOver) moving.push(took)
    await moved
    ;[from, to] = [to, from]
  }
  if (moving.length === 0) moving.push(...alone)
  const value = Math.max(0, (median(moving) / median(alone) - 1) * 100)
  return {
    value,
    unit: '%',
    limit: null,
    ratio: null,
    runs: moving.length,
    spread: spread(moving),
    note: `a loop of the guest's shell: alone ${median(alone).toFixed(0)} ms, on its way to another Chromium ${median(moving).toFixed(0)} ms`,
  }
}

/** MB/s that the guest writes to its file system and syncs, with its disk in OPFS and in the emulator's own buffer. */
async function guestDisk(page: Page, toy: boolean): Promise<BenchmarkResult> {
  const url = await guestUrl(toy)
  const rates = { opfs: [] as number[], own: [] as number[] }
  for (let run = 0; run < (toy ? 1 : 2); run++) {
    for (const kind of ['own', 'opfs'] as const) {
      if (toy) {
        rates[kind].push(await page.evaluate((kind) => window.machines.diskAlone(kind), kind))
        continue
      }
      await page.evaluate(([url, kind]) => window.machines.machineStart(url, kind), [url!, kind] as const)
      for (let write = -1; write < 2; write++) {
        const took = await page.evaluate(
          ([text, end]) => window.machines.machineTakes(text!, end!),
          ['dd if=/dev/zero of=/mnt/w bs=64k count=256 conv=fsync 2>/dev/null; echo end-of-"write"\n', 'end-of-write'],
        )
        if (write >= 0) rates[kind].push((16 * 2 ** 20) / 1000 / took)
      }
    }
  }
  const [value, limit] = [median(rates.opfs), median(rates.own)]
  const note =
    'dd of 16 MiB with conv=fsync in the guest, ext4; the limit is the same with a disk in the memory of the page'
  return { value, unit: 'MB/s', limit, ratio: value / limit, runs: rates.opfs.length, spread: spread(rates.opfs), note }
}

export const benchmarks: Benchmark[] = [
  {
    name: 'guest-slowdown',
    environment: 'chromium',
    run: ({ toy }) => withMachines(2, (pages) => slowdown(pages, toy)),
  },
  {
    name: 'guest-disk',
    environment: 'chromium',
    run: ({ toy }) => withMachines(1, ([page]) => guestDisk(page!, toy)),
  },
  {
    name: 'teleport-idle',
    environment: 'chromium',
    run: ({ toy }) => withMachines(2, (pages) => teleports(pages, { toy, writes: false })),
  },
  {
    name: 'teleport-busy',
    environment: 'chromium',
    run: ({ toy }) => withMachines(2, (pages) => teleports(pages, { toy, writes: true })),
  },
]
