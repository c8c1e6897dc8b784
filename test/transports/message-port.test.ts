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
