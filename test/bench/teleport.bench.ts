import { relative } from 'node:path'
import type { Page } from 'playwright'
import { hasGuest, startedGuestPath } from '../adapters/v86/guest.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import type {} from './browser/machines.ts'
import { inChromium } from './in-chromium.ts'
import { median, spread } from './measure.ts'

/**
 * Writes a MiB a second to its file system, in four parts: what nobody can foretell, and something else each time. A part and the rest that follows begin
 * together, so that a slow disk does not make it write less.
 */
const WRITING =
  'head -c 4194304 /dev/urandom > /any; i=0; while :; do i=$((i+1)); ' +
  '(dd if=/any of=/mnt/written bs=64k count=4 skip=$((i*7%60)) seek=$((i*4%256)) conv=notrunc 2>/dev/null; sync) & ' +
  'usleep 250000; wait; done &\n'

/** Bytes a second of a guest that is to write a MiB: the file system's own come on top. */
const WRITTEN = { least: 2 ** 19, most: 2 ** 22 }

/** Adds to a number in the guest's shell, and says by the guest's clock when it began and ended. */
const LOOP =
  'read b x < /proc/uptime; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; read e x < /proc/uptime; echo "took $b $e" end-of-"loop"\n'

/** Runs of the loop on the way that count, and moves that are made for them at most. */
const SAMPLES = 5
const MOST_MOVES = 15

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
  const rate = writes && !toy ? await startWriting(from) : undefined
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
      (rate === undefined ? '' : `the guest writes ${(rate / 2 ** 20).toFixed(2)} MiB/s; `) +
      `two Chromiums over WebRTC, 128 MiB of memory, 64 MiB ext4 in OPFS; the longest ${Math.max(...pauses).toFixed(0)} ms, ` +
      `by the clock of the machine ${median(clocks).toFixed(0)} ms; a whole move takes ${(median(whole) / 1000).toFixed(1)} s`,
  }
}

/** Has the guest write; resolves with how many bytes reach its disk in a second. */
async function startWriting(page: Page): Promise<number> {
  await page.evaluate((text) => window.machines.machineType(text), WRITING)
  // Until it has made up what it writes.
  while ((await page.evaluate(() => window.machines.machineWrites(1000))) === 0);
  const rate = await page.evaluate(() => window.machines.machineWrites(5000))
  if (rate < WRITTEN.least || rate > WRITTEN.most) {
    throw new Error(`the guest was to write about 1 MiB/s and writes ${(rate / 2 ** 20).toFixed(2)}`)
  }
  return rate
}

/** Milliseconds that a fixed loop takes, by the clock of the guest; of a machine that only counts, by that of its page. */
async function loop(page: Page, toy: boolean): Promise<number> {
  if (toy) return page.evaluate(() => window.machines.machineCounts(5))
  const said = await page.evaluate(([text, end]) => window.machines.machineType(text!, end!), [LOOP, 'end-of-loop'])
  const [, began, ended] = /took ([\d.]+) ([\d.]+) end-of-loop/.exec(said) ?? []
  if (ended === undefined) throw new Error(`the guest did not tell the time, but: ${said}`)
  return (Number(ended) - Number(began)) * 1000
}

/** How much longer a fixed loop in the guest takes while its machine is on its way, in percent; runs that were still going when it was stopped do not count. */
async function slowdown(pages: Page[], toy: boolean): Promise<BenchmarkResult> {
  const url = await guestUrl(toy)
  let [from, to] = pages as [Page, Page]
  await from.evaluate((url) => window.machines.machineStart(url, 'opfs'), url)
  const alone: number[] = []
  const moving: number[] = []
  for (let moves = 0; moving.length < (toy ? 1 : SAMPLES); moves++) {
    if (moves === MOST_MOVES) throw new Error(`of ${moves} moves ${moving.length} took longer than the loop`)
    alone.push(await loop(from, toy))
    const moved = move(from, to)
    await from.waitForFunction(() => window.machines.machinePhase() === 'moving')
    const page = from
    const timed = loop(page, toy).then(async (took) =>
      (await page.evaluate(() => window.machines.machinePhase())) === 'moving' ? took : undefined,
    )
    // A loop that the stop has cut never ends here.
    const took = await Promise.race([timed.catch(() => undefined), moved.then(() => undefined)])
    if (took !== undefined) moving.push(took)
    await moved
    ;[from, to] = [to, from]
  }
  const value = Math.max(0, (median(moving) / median(alone) - 1) * 100)
  return {
    value,
    unit: '%',
    limit: null,
    ratio: null,
    runs: moving.length,
    spread: spread(moving),
    note: `a loop of the guest's shell by the guest's clock: alone ${median(alone).toFixed(0)} ms, on its way to another Chromium ${median(moving).toFixed(0)} ms`,
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
