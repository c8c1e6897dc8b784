import type { Page } from 'playwright'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import type { PauseTask, PauseTimes } from './browser/pause-ends.ts'
import { inChromium } from './in-chromium.ts'
import { median, percentile, spread } from './measure.ts'

const MIB = 2 ** 20

/** As on the pages. On this link a block takes some 20 ms. */
const BLOCK_SIZE = 65536

/** Has both ends do their part over a fresh connection. */
async function over([near, far]: Page[], tasks: readonly [PauseTask, PauseTask]): Promise<[PauseTimes, PauseTimes]> {
  const offer = await near!.evaluate((task) => window.bench.pauseOffer(task), tasks[0])
  const answer = await far!.evaluate(([sdp, task]) => window.bench.pauseAnswer(sdp, task), [offer, tasks[1]] as const)
  await near!.evaluate((sdp) => window.bench.pauseAccept(sdp), answer)
  const done = (page: Page) => page.evaluate(() => window.bench.pauseDone())
  return Promise.all([done(near!), done(far!)])
}

/** Milliseconds from the lock of a disk in a worker of one Chromium to the answer that the other, in another, has opened its gate. */
async function pauses(pages: Page[], share: number, toy: boolean): Promise<BenchmarkResult> {
  const size = (toy ? 0.25 : 4) * MIB
  const task = { size, blockSize: BLOCK_SIZE, blocksPerMs: 0 }
  const rates: number[] = []
  for (let run = toy ? 0 : -1; run < (toy ? 1 : 3); run++) {
    const [{ took }] = await over(pages, [
      { ...task, role: 'send-bare' },
      { ...task, role: 'count-bare' },
    ])
    if (run >= 0) rates.push(size / took)
  }
  const bare = median(rates)
  const blocksPerMs = bare / 2 / BLOCK_SIZE
  const source: number[] = []
  const gate: number[] = []
  const rounds: number[] = []
  for (let run = toy ? 0 : -1; run < (toy ? 1 : 20); run++) {
    const [sent, taken] = await over(pages, [
      { ...task, role: 'send-disk', blocksPerMs },
      { ...task, role: 'take-disk' },
    ])
    if (run < 0) continue
    source.push(sent.pauseMs!)
    gate.push(taken.openAt! - sent.lockedAt!)
    rounds.push(sent.rounds!)
  }
  const both = (values: number[]) => `${percentile(values, 0.5).toFixed(1)} / ${percentile(values, 0.99).toFixed(1)} ms`
  return {
    value: percentile(source, share),
    unit: 'ms',
    limit: null,
    ratio: null,
    runs: source.length,
    spread: spread(source),
    note:
      `link by hand ${(bare / 1000).toFixed(1)} MB/s, half of it becomes dirty in blocks of ${BLOCK_SIZE / 1024} KiB; p50 / p99 of ${source.length} ` +
      `hand-overs of ${size / MIB} MiB: to the answer that it is open ${both(source)}, to the open gate ${both(gate)}, after ${median(rounds)} rounds`,
  }
}

export const benchmarks: Benchmark[] = [
  {
    name: 'pause-webrtc-p50',
    environment: 'chromium',
    run: ({ toy }) => inChromium(2, (pages) => pauses(pages, 0.5, toy)),
  },
  {
    name: 'pause-webrtc-p99',
    environment: 'chromium',
    run: ({ toy }) => inChromium(2, (pages) => pauses(pages, 0.99, toy)),
  },
]
