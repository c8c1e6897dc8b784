import type { PauseDone, PauseOrder } from './pause.worker.ts'
import type { PauseTask, PauseTimes } from './pause-ends.ts'

let worker: Worker | undefined
let peer: RTCPeerConnection | undefined
let doing: Promise<PauseTimes> = Promise.resolve({ took: 0 })

function order(message: PauseOrder, transfer: Transferable[] = []): Promise<PauseTimes> {
  worker ??= new Worker(new URL('./pause.worker.ts', import.meta.url), { type: 'module' })
  const asked = worker
  asked.postMessage(message, transfer)
  return new Promise((resolve, reject) => {
    asked.onerror = (event) => reject(new Error(event.message))
    asked.onmessage = ({ data }: MessageEvent<PauseDone>) => {
      if (data.times) resolve(data.times)
      else reject(new Error(data.error))
    }
  })
}

function give(task: PauseTask, channel: RTCDataChannel): Promise<PauseTimes> {
  return order({ task, channel }, [channel as unknown as Transferable])
}

/** Begins a connection: the data channel goes to the worker in the turn in which it is made. Resolves with the offer. */
async function pauseOffer(task: PauseTask): Promise<string> {
  await order({})
  peer?.close()
  peer = new RTCPeerConnection()
  doing = give(task, peer.createDataChannel('pause'))
  await peer.setLocalDescription()
  return describePeer(peer)
}

/** Resolves with the answer; the worker gets the data channel as soon as it is there. */
async function pauseAnswer(sdp: string, task: PauseTask): Promise<string> {
  await order({})
  peer?.close()
  peer = new RTCPeerConnection()
  const answering = peer
  doing = new Promise((resolve, reject) => {
    answering.ondatachannel = ({ channel }) => give(task, channel).then(resolve, reject)
  })
  await peer.setRemoteDescription({ type: 'offer', sdp })
  await peer.setLocalDescription()
  return describePeer(peer)
}

async function pauseAccept(sdp: string): Promise<void> {
  await peer!.setRemoteDescription({ type: 'answer', sdp })
}

/** Resolves with what the worker's task has measured. */
function pauseDone(): Promise<PauseTimes> {
  return doing
}

/** The description with all addresses of this side. */
export async function describePeer(of: RTCPeerConnection): Promise<string> {
  while (of.iceGatheringState !== 'complete') {
    await new Promise((resolve) => of.addEventListener('icegatheringstatechange', resolve, { once: true }))
  }
  return of.localDescription!.sdp
}

/** What the benchmarks of pauses ask of a page. */
export const pausing = { pauseOffer, pauseAnswer, pauseAccept, pauseDone }
