import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Channel } from '../../src/protocol/channel.ts'
import { listenWebSocket } from '../../src/transports/websocket-server.node.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { inChromium } from './in-chromium.ts'
import { measureBeside } from './measure.ts'
import { filledDisk, moveOver } from './move-disk.ts'
import { fillRandom } from './random-bytes.ts'

const KIB = 2 ** 10
const MIB = 2 ** 20

/** MB/s of a disk in Node to a disk in a worker of Chromium, beside the same bytes by hand, which are counted there. */
async function overWebSocket(page: Page, toy: boolean): Promise<BenchmarkResult> {
  const size = (toy ? 4 : 64) * MIB
  const source = filledDisk(size)
  const bare = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  await once(bare, 'listening')
  const bareUrl = `ws://127.0.0.1:${(bare.address() as AddressInfo).port}`
  let arrived: (channel: Channel) => void = () => {}
  const server = await listenWebSocket({
    protocols: ['blockferry.1'],
    origins: 'any',
    onChannel: (channel) => arrived(channel),
  })
  const receive = (url: string, role: 'count-bare' | 'store-disk') =>
    page.evaluate(([url, task]) => window.bench.receiveFrom(url, task), [url, { role, size }] as const)
  try {
    return await measureBeside({
      unit: 'MB/s',
      runs: toy ? 1 : 5,
      better: 'higher',
      limit: async () => {
        const came = once(bare, 'connection') as Promise<[WebSocket]>
        await receive(bareUrl, 'count-bare')
        const [socket] = await came
        const took = await sendByHand(socket, size)
        socket.close()
        return size / 1000 / took
      },
      ours: async () => {
        const came = new Promise<Channel>((resolve) => {
          arrived = resolve
        })
        await receive(`ws://127.0.0.1:${server.port}`, 'store-disk')
        return size / 1000 / (await moveOver(await came, source))
      },
    })
  } finally {
    await server.close()
    bare.close()
  }
}

/** Milliseconds until the other side says that all has come. */
async function sendByHand(socket: WebSocket, size: number): Promise<number> {
  const piece = new Uint8Array(256 * KIB)
  fillRandom(piece)
  const counted = once(socket, 'message')
  const startedAt = performance.now()
  const sends: Promise<void>[] = []
  for (let left = size; left > 0; left -= piece.length) {
    sends.push(new Promise((resolve, reject) => socket.send(piece, (error) => (error ? reject(error) : resolve()))))
    // A few at a time keep the socket busy.
    if (sends.length > 4) await sends.shift()
  }
  await counted
  return performance.now() - startedAt
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
