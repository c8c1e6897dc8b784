import { MessageChannel as NodeMessageChannel, Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { errorCode } from '../../src/errors/storage-error.ts'
import { messagePortChannel, type PortLike } from '../../src/transports/message-port.ts'
import { type ChannelPair, channelConformance } from '../conformance/channel.ts'

describe('message-port, global MessageChannel', () => {
  const pair = async (): Promise<ChannelPair> => {
    const { port1, port2 } = new MessageChannel()
    return { a: messagePortChannel(port1), b: messagePortChannel(port2), sever: () => port2.close() }
  }
  for (const { name, run } of channelConformance(pair)) it(name, run)
})

describe('message-port, worker_threads', () => {
  const pair = async (): Promise<ChannelPair> => {
    const { port1, port2 } = new NodeMessageChannel()
    const [left, right] = [port1, port2] as unknown as PortLike[]
    return { a: messagePortChannel(left!), b: messagePortChannel(right!), sever: () => port2.close() }
  }
  for (const { name, run } of channelConformance(pair)) it(name, run)
})

it('ends when the thread at the other end dies', async () => {
  const { port1, port2 } = new MessageChannel()
  const worker = new Worker('require("node:worker_threads").workerData.start(); setInterval(() => {}, 1000)', {
    eval: true,
    workerData: port2,
    transferList: [port2 as never],
  })
  await new Promise((resolve) => worker.once('online', resolve))
  const channel = messagePortChannel(port1)
  await worker.terminate()
  expect(errorCode(await channel.ended)).toBe('PEER_LOST')
})

it('copies what is sent once, into a buffer that is handed over', async () => {
  const { port1, port2 } = new MessageChannel()
  const channel = messagePortChannel(port1)
  const messages: unknown[] = []
  port2.addEventListener('message', ({ data }) => messages.push(data))
  port2.start()
  port2.postMessage('+1000000')
  const bytes = Uint8Array.of(1, 2, 3)
  await channel.send([bytes, bytes])
  bytes.fill(0)
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(messages).toEqual(['+4194304', Uint8Array.of(1, 2, 3, 1, 2, 3).buffer])
  channel.abort(new Error('over'))
})

/** A port whose other end is the test. */
function fakePort() {
  const posted: { message: unknown; transfer: Transferable[] }[] = []
  const listeners = new Map<string, (event: Event) => void>()
  const port: PortLike = {
    postMessage: (message, transfer) => posted.push({ message, transfer }),
    addEventListener: (type, listener) => listeners.set(type, listener),
    close: () => {},
    start: () => {},
  }
  const hear = (data: unknown) => listeners.get('message')!({ data } as MessageEvent)
  return { port, posted, hear }
}

describe('buffers', () => {
  it('are handed back with the next text, once each, when the receiver has given them back', () => {
    const { port, posted, hear } = fakePort()
    const slices: Uint8Array[] = []
    const channel = messagePortChannel(port, { windowBytes: 800_000 })
    channel.receive((slice) => void slices.push(slice))
    hear(new ArrayBuffer(70_000))
    channel.giveBack!(slices[0]!)
    channel.giveBack!(slices[0]!)
    hear(new Uint8Array(new ArrayBuffer(90_000), 0, 50_000))
    const [first, second] = slices.map(({ buffer }) => buffer)
    expect(posted.slice(1)).toEqual([{ message: ['+120512', first], transfer: [first] }])
    channel.giveBack!(slices[1]!)
    hear(new ArrayBuffer(100_000))
    expect(posted.slice(2)).toEqual([{ message: ['+100256', second], transfer: [second] }])
  })

  it.each([
    ['are kept by the receiver', 100_000, false],
    ['are small', 16 * 1024 - 1, true],
  ])('stay where they are when they %s', (_, length, isGivenBack) => {
    const { port, posted, hear } = fakePort()
    const channel = messagePortChannel(port, { windowBytes: 8 * (16 * 1024 - 1) })
    channel.receive((slice) => {
      if (isGivenBack) channel.giveBack!(slice)
    })
    hear(new ArrayBuffer(length))
    hear(new ArrayBuffer(100))
    expect(posted.map(({ transfer }) => transfer)).toEqual(posted.map(() => []))
    expect(posted.length).toBeGreaterThan(1)
  })

  it('that came back are filled again, if they are not far too large', async () => {
    const { port, posted, hear } = fakePort()
    const channel = messagePortChannel(port)
    const [large, fitting] = [new ArrayBuffer(50_001), new ArrayBuffer(30_000)]
    hear(['+1000000', large, fitting])
    await channel.send([new Uint8Array(25_000).fill(1)])
    await channel.send([new Uint8Array(25_000).fill(2)])
    await channel.send([new Uint8Array(50_001).fill(3)])
    const sent = posted.slice(1).map(({ message }) => message as Uint8Array | ArrayBuffer)
    expect(sent[0]).toEqual(new Uint8Array(25_000).fill(1))
    expect((sent[0] as Uint8Array).buffer).toBe(fitting)
    expect(sent[1]).toEqual(new Uint8Array(25_000).fill(2).buffer)
    expect(sent[2]).toBe(large)
    expect(new Uint8Array(large)).toEqual(new Uint8Array(50_001).fill(3))
    expect(posted.slice(1).map(({ transfer }) => transfer)).toEqual([[fitting], [sent[1]], [large]])
  })

  it('that come back are kept up to a limit, the newest', async () => {
    const { port, posted, hear } = fakePort()
    const channel = messagePortChannel(port)
    const buffers = [2, 1, 1, 1, 1].map((MiB) => new ArrayBuffer(MiB * 2 ** 20))
    hear(['+10000000', ...buffers])
    for (let sends = 0; sends < 5; sends++) await channel.send([new Uint8Array(2 ** 20)])
    const used = posted.slice(1).map(({ message }) => buffers.indexOf(message as ArrayBuffer))
    expect(used).toEqual([1, 2, 3, 4, -1])
  })

  it('are nothing else than buffers', async () => {
    const { port, hear } = fakePort()
    const channel = messagePortChannel(port)
    hear(['+1000000', 'text', null, new Uint8Array(5), {}])
    await channel.send([new Uint8Array(5)])
    hear([{}, new ArrayBuffer(5)])
    expect(errorCode(await channel.ended)).toBe('MALFORMED')
  })

  it('are used again between two realms, and nobody sees it', async () => {
    const { port1, port2 } = new MessageChannel()
    const [near, far] = [messagePortChannel(port1), messagePortChannel(port2)]
    let [came, wrong] = [0, 0]
    far.receive((slice) => {
      if (slice.some((byte) => byte !== came % 251)) wrong++
      came++
      far.giveBack!(slice)
    })
    for (let sent = 0; sent < 40; sent++) await near.send([new Uint8Array(2 ** 20).fill(sent % 251)])
    await near.close()
    expect([came, wrong]).toEqual([40, 0])
  })
})

it('leaves a worker alive whose scope it speaks through', () => {
  let closed = false
  const scope: PortLike = {
    postMessage: () => {},
    addEventListener: () => {},
    close: () => {
      closed = true
    },
  }
  messagePortChannel(scope).abort(new Error('over'))
  expect(closed).toBe(false)
})
