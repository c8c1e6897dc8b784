import type { BenchmarkResult } from '../benchmark.ts'
import { measureBeside } from '../measure.ts'
import type { Done, Order } from './end.worker.ts'
import { type Link, prepare, run, type Task } from './ends.ts'

let own: Worker | undefined
let shared: SharedWorker | undefined
let doing: Promise<number> = Promise.resolve(0)

/** Has the page's worker do something. */
function order(message: Order, transfer: Transferable[] = []): Promise<number> {
  own ??= new Worker(new URL('./end.worker.ts', import.meta.url), { type: 'module' })
  own.postMessage(message, transfer)
  return answerOf(own, own)
}

/**
 * Has a shared worker do something. What drives the browser looks into pages and their own workers and has every WebSocket message there
 * reported to itself, in base64, which takes three times as long as the message; shared workers it leaves alone.
 */
function orderShared(message: Order): Promise<number> {
  shared ??= new SharedWorker(new URL('./end.worker.ts', import.meta.url), { type: 'module' })
  shared.port.postMessage(message)
  return answerOf(shared, shared.port)
}

function answerOf(worker: AbstractWorker, port: Worker | MessagePort): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message))
    port.onmessage = ({ data }: MessageEvent<Done>) => {
      if (data.error === undefined) resolve(data.ms!)
      else reject(new Error(data.error))
    }
  })
}

/** Has the worker do a task over a link, beginning in this very turn. */
function inWorker(task: Task, link: Exclude<Link, string>): Promise<number> {
  return order({ task, link }, [link as unknown as Transferable])
}

/** Prepares the worker for a task. */
async function prepareWorker(task: Task): Promise<void> {
  await order({ task })
}

/** The page sends, its worker receives. */
async function overPort(toy: boolean): Promise<BenchmarkResult> {
  const size = (toy ? 4 : 256) * 2 ** 20
  const once = async (near: Task['role'], far: Task['role']): Promise<number> => {
    prepare({ role: near, size })
    await prepareWorker({ role: far, size })
    const { port1, port2 } = new MessageChannel()
    const receiving = inWorker({ role: far, size }, port2)
    const took = await run({ role: near, size }, port1)
    await receiving
    return size / 1000 / took
  }
  return measureBeside({
    unit: 'MB/s',
    runs: toy ? 1 : 9,
    better: 'higher',
    limit: () => once('send-bare', 'count-bare'),
    ours: () => once('send-disk', 'store-disk'),
  })
}

/** Begins to receive in a worker what comes by a WebSocket from `url`. */
async function receiveFrom(url: string, task: Task): Promise<void> {
  await orderShared({ task })
  doing = orderShared({ task, link: url })
}

let peer: RTCPeerConnection | undefined

/** Begins a connection: the data channel goes to the worker in the turn in which it is made. Resolves with the offer. */
async function offer(task: Task): Promise<string> {
  await prepareWorker(task)
  peer?.close()
  peer = new RTCPeerConnection()
  doing = inWorker(task, peer.createDataChannel('bench'))
  await peer.setLocalDescription()
  return describe(peer)
}

/** Resolves with the answer; the worker gets the data channel as soon as it is there. */
async function answer(sdp: string, task: Task): Promise<string> {
  await prepareWorker(task)
  peer?.close()
  peer = new RTCPeerConnection()
  const came = new Promise<RTCDataChannel>((resolve, reject) => {
    peer!.ondatachannel = ({ channel }) => {
      doing = inWorker(task, channel)
      doing.then(() => resolve(channel), reject)
    }
  })
  came.catch(() => {}) // Told by `done`.
  await peer.setRemoteDescription({ type: 'offer', sdp })
  await peer.setLocalDescription()
  return describe(peer)
}

async function accept(sdp: string): Promise<void> {
  await peer!.setRemoteDescription({ type: 'answer', sdp })
}

/** The description with all addresses of this side. */
async function describe(of: RTCPeerConnection): Promise<string> {
  while (of.iceGatheringState !== 'complete') {
    await new Promise((resolve) => of.addEventListener('icegatheringstatechange', resolve, { once: true }))
  }
  return of.localDescription!.sdp
}

/** Resolves with the milliseconds that the worker's task took. */
function done(): Promise<number> {
  return doing
}

/** What the benchmarks of transports ask of a page. */
export const transports = { overPort, receiveFrom, offer, answer, accept, done }
