import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import type { Channel } from '../../src/protocol/channel.ts'
import { listenWebSocket } from '../../src/transports/websocket-server.node.ts'
import { type ChannelPair, channelConformance } from '../conformance/channel.ts'
import { Arrivals } from '../transports/arrivals.ts'
import { relayTo } from '../transports/relay.ts'
import { startHarness } from './harness/start.ts'
import { FarChannel, serveChannel, type Wire } from './transports/far-channel.ts'
import type { PairName } from './transports/page.ts'
import { socketWire } from './transports/wires.ts'

const harness = await startHarness()
const complaints: string[] = []

async function openPage(): Promise<Page> {
  const page = await harness.chromium.context.newPage()
  page.on('pageerror', (error) => complaints.push(String(error.stack ?? error)))
  await page.exposeFunction('cutConnections', () => relay.cut())
  await page.goto(new URL('../transports/index.html', harness.address).href)
  await page.waitForFunction(() => window.transports !== undefined)
  return page
}

const channels = new Arrivals<Channel>()
const wires = new Arrivals<Wire>()
const server = await listenWebSocket({ protocols: ['blockferry.1'], origins: 'any', onChannel: channels.add })
const relay = await relayTo(server.port)
const wireServer = createServer()
new WebSocketServer({ server: wireServer }).on('connection', (socket) => wires.add(socketWire(socket as never)))
wireServer.listen(0, '127.0.0.1')
await once(wireServer, 'listening')
const node = {
  url: `ws://127.0.0.1:${relay.port}/`,
  wireUrl: `ws://127.0.0.1:${(wireServer.address() as AddressInfo).port}/`,
}
afterAll(async () => {
  await harness.close()
  await server.close()
  relay.close()
  wireServer.close()
})

/** The names of the cases, which run in pages. */
function cases(severable: boolean): string[] {
  const noPair = () => Promise.reject(new Error('only the names'))
  return channelConformance(noPair, { severable }).map(({ name }) => name)
}
const page = await openPage()

async function runCase(pair: PairName, name: string): Promise<void> {
  const failure = await page.evaluate(({ pair, name, node }) => window.transports.runCase(pair, name, node), {
    pair,
    name,
    node,
  })
  if (failure !== undefined) throw new Error(failure)
}

for (const [pair, title] of [
  ['page', 'message-port within a page'],
  ['worker', 'message-port, page to worker'],
] as const) {
  describe(title, () => {
    // Nothing tells a port in a browser that the other side has vanished.
    for (const name of cases(false)) it(name, () => runCase(pair, name))
  })
}

describe('websocket, browser to Node', () => {
  for (const name of cases(true)) {
    it(name, async () => {
      const running = runCase('node', name)
      void (async () => {
        const wire = await wires.next()
        serveChannel(await channels.next(), wire)
      })()
      await running
    })
  }
})

describe('websocket, Node to browser', () => {
  const pair = async (): Promise<ChannelPair> => {
    const serving = page.evaluate(({ url, wireUrl }) => window.transports.serveNode(url, wireUrl), node)
    const b = new FarChannel(await wires.next())
    const a = await channels.next()
    await serving
    return { a, b, sever: relay.cut }
  }
  for (const { name, run } of channelConformance(pair)) it(name, run)
})

const other = await openPage()

for (const where of ['page', 'worker'] as const) {
  describe(`webrtc, tab to ${where === 'page' ? 'tab' : 'the worker of a tab'}`, () => {
    beforeAll(async () => {
      if (where === 'worker') {
        expect(await other.evaluate(() => window.transports.canTransferDataChannels())).toBe(true)
        await other.reload()
        await other.waitForFunction(() => window.transports !== undefined)
      }
      await other.evaluate((where) => window.transports.answerTabs(where), where)
    })
    for (const name of cases(true)) it(name, () => runCase('tab', name))
  })
}

it('binds a WebRTC channel to both certificates', async () => {
  const [left, right, between] = await page.evaluate(() => window.transports.bindings())
  expect(left).toBe(right)
  expect(between).not.toBe(left)
})

it('says nothing but its results', () => {
  expect(complaints).toEqual([])
})
