import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { inChromium } from './in-chromium.ts'
import { measureBeside, median } from './measure.ts'

const KIB = 2 ** 10
const MIB = 2 ** 20

/**
 * MB/s of a disk in another process of Node to a disk in a worker of Chromium, beside the same by hand: read into a buffer of its own for each
 * message, sent, and written to the disk there. How fast the channel is when nobody reads or stores anything is told beside it.
 */
async function overWebSocket(page: Page, toy: boolean): Promise<BenchmarkResult> {
  const size = (toy ? 4 : 128) * MIB
  const peer = fork(fileURLToPath(new URL('./websocket-peer.js', import.meta.url)), [String(size)])
  try {
    const [ports] = (await once(peer, 'message')) as [{ piece: number; disk: number; ours: number }]
    const rate = async (port: number, role: 'count-bare' | 'store-bare' | 'store-disk'): Promise<number> => {
      const sent = once(peer, 'message') as Promise<[{ took: number }]>
      const url = `ws://127.0.0.1:${port}`
      await page.evaluate(([url, task]) => window.bench.receiveFrom(url, task), [url, { role, size }] as const)
      const [{ took }] = await sent
      await page.evaluate(() => window.bench.done())
      return size / 1000 / took
    }
    const idle: number[] = []
    const result = await measureBeside({
      unit: 'MB/s',
      runs: toy ? 1 : 7,
      better: 'higher',
      limit: async () => {
        idle.push(await rate(ports.piece, 'count-bare'))
        return rate(ports.disk, 'store-bare')
      },
      ours: () => rate(ports.ours, 'store-disk'),
    })
    const bare = median(idle)
    const share = (result.value / bare).toFixed(2)
    return { ...result, note: `${bare.toFixed(0)} MB/s by hand when nothing is read or stored: ratio ${share}` }
  } finally {
    peer.kill()
  }
}

/** Bytes of one message that the bare data channel is tried with. */
const MESSAGE_SIZES = [16 * KIB, 64 * KIB, 256 * KIB]

/** MB/s of a disk in one Chromium to a disk in another, in workers, beside the same bytes by hand, in messages of the size that does best. */
async function overWebRtc([near, far]: Page[], toy: boolean): Promise<BenchmarkResult> {
  const size = (toy ? 2 : 16) * MIB
  const transfer = async (messageBytes?: number): Promise<number> => {
    const [send, take] = messageBytes === undefined ? ['send-disk', 'store-disk'] : ['send-bare', 'count-bare']
    const maxMessageSize = 256 * KIB
    const offer = await near!.evaluate((task) => window.bench.offer(task), {
      role: send as 'send-disk',
      size,
      maxMessageSize,
      ...(messageBytes === undefined ? {} : { messageBytes }),
    })
    const answer = await far!.evaluate(([offer, task]) => window.bench.answer(offer, task), [
      offer,
      { role: take as 'store-disk', size, maxMessageSize },
    ] as const)
    await near!.evaluate((answer) => window.bench.accept(answer), answer)
    const [took] = await Promise.all([near!, far!].map((page) => page.evaluate(() => window.bench.done())))
    return size / 1000 / took!
  }
  const rates: number[] = []
  for (const messageBytes of MESSAGE_SIZES) rates.push(await transfer(messageBytes))
  const best = MESSAGE_SIZES[rates.indexOf(Math.max(...rates))]!
  const result = await measureBeside({
    unit: 'MB/s',
    runs: toy ? 1 : 5,
    better: 'higher',
    limit: () => transfer(best),
    ours: () => transfer(),
  })
  const tried = MESSAGE_SIZES.map((bytes, index) => `${bytes / KIB} KiB ${rates[index]!.toFixed(0)}`).join(', ')
  return { ...result, note: `by hand in messages of ${best / KIB} KiB, the best of ${tried} MB/s` }
}

export const benchmarks: Benchmark[] = [
  {
    name: 'websocket-chromium',
    environment: 'chromium',
    run: ({ toy }) => inChromium(1, ([page]) => overWebSocket(page!, toy)),
  },
  {
    name: 'message-port',
    environment: 'chromium',
    run: ({ toy }) => inChromium(1, ([page]) => page!.evaluate((toy) => window.bench.overPort(toy), toy)),
  },
  { name: 'webrtc', environment: 'chromium', run: ({ toy }) => inChromium(2, (pages) => overWebRtc(pages, toy)) },
]
