import { messagePortChannel } from '../../../src/transports/message-port.ts'
import { dataChannelChannel } from '../../../src/transports/webrtc.ts'
import { webRtcBinding } from '../../../src/transports/webrtc-binding.ts'
import { openWebSocket } from '../../../src/transports/websocket.ts'
import type { ChannelPair } from '../../conformance/channel.ts'
import { FarChannel, serveChannel, type Wire } from './far-channel.ts'
import { connectTabs } from './peer-connections.ts'
import { portWire, socketWire, tabWire } from './wires.ts'
import type { WorkerTask } from './worker.ts'

/** What the last pair leaves running; ended when the next is made. */
let cleanUp = () => {}

function startWorker(task: Omit<WorkerTask, 'wire'>, transfer: Transferable[]): { worker: Worker; port: MessagePort } {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  const { port1, port2 } = new MessageChannel()
  worker.postMessage({ ...task, wire: port2 } satisfies WorkerTask, [...transfer, port2])
  return { worker, port: port1 }
}

/** This page and a worker of its own, over a port. Nothing tells a page that its worker died, so it is not severed. */
export async function workerPair(): Promise<ChannelPair> {
  cleanUp()
  const { port1, port2 } = new MessageChannel()
  const { worker, port } = startWorker({ port: port2 }, [port2])
  cleanUp = () => worker.terminate()
  return { a: messagePortChannel(port1), b: new FarChannel(portWire(port)) }
}

/** Two ports within this page. */
export async function pagePair(): Promise<ChannelPair> {
  const { port1, port2 } = new MessageChannel()
  return { a: messagePortChannel(port1), b: messagePortChannel(port2) }
}

/** This page and Node, which drives its end by a second connection. */
export async function nodePair(url: string, wireUrl: string, cut: () => void): Promise<ChannelPair> {
  const wire = await openWire(wireUrl)
  const { channel } = await openWebSocket(url, { protocols: ['blockferry.1'] })
  return { a: channel, b: new FarChannel(wire), sever: cut }
}

/** The other way round: opens a channel to Node and lets Node drive this end of it. */
export async function serveNode(url: string, wireUrl: string): Promise<void> {
  const wire = await openWire(wireUrl)
  const { channel } = await openWebSocket(url, { protocols: ['blockferry.1'] })
  serveChannel(channel, wire)
}

function openWire(url: string): Promise<Wire> {
  const socket = new WebSocket(url)
  return new Promise((resolve, reject) => {
    socket.onopen = () => resolve(socketWire(socket))
    socket.onerror = () => reject(new Error('no wire to Node'))
  })
}

let connections = 0

/** Answers each connection that another tab offers, with its end of the channel here or in a worker. */
export function answerTabs(where: 'page' | 'worker'): void {
  const calls = new BroadcastChannel('calls')
  let stops: (() => void)[] = []
  calls.onmessage = ({ data: name }: MessageEvent<string>) => {
    for (const stop of stops) stop()
    stops = []
    if (name === 'cut') return
    const wire = tabWire(name, 'far')
    const connection = connectTabs(name, 'far', (dataChannel, peer) => {
      if (where === 'page') serveChannel(dataChannelChannel(dataChannel, { maxMessageSize: sizeOf(peer) }), wire)
      else stops.push(serveInWorker(dataChannel, peer, wire))
    })
    stops.push(() => connection.close())
    calls.postMessage(name)
  }
}

function sizeOf(peer: RTCPeerConnection): () => number | undefined {
  return () => peer.sctp?.maxMessageSize
}

/** Hands the data channel to a worker, in the turn in which it came, and passes on what is said to and by it. */
function serveInWorker(dataChannel: RTCDataChannel, peer: RTCPeerConnection, wire: Wire): () => void {
  const { worker, port } = startWorker({ dataChannel, maxMessageSize: peer.sctp!.maxMessageSize }, [
    dataChannel as unknown as Transferable,
  ])
  const inside = portWire(port)
  wire.listen((message) => inside.post(message))
  inside.listen((message) => wire.post(message))
  return () => worker.terminate()
}

/** This tab and the other, over a data channel of a peer connection of their own. */
export async function tabPair(): Promise<ChannelPair> {
  cleanUp()
  const name = `${performance.timeOrigin} ${connections++}`
  const calls = new BroadcastChannel('calls')
  const far = new FarChannel(tabWire(name, 'near'))
  const answered = new Promise<void>((resolve) => {
    calls.onmessage = () => resolve()
  })
  calls.postMessage(name)
  await answered
  return new Promise((resolve) => {
    const connection = connectTabs(name, 'near', (dataChannel, peer) => {
      const a = dataChannelChannel(dataChannel, { maxMessageSize: sizeOf(peer) })
      dataChannel.addEventListener('open', () => resolve({ a, b: far, sever: () => calls.postMessage('cut') }))
    })
    cleanUp = () => {
      connection.close()
      calls.close()
    }
  })
}

/** The bindings of both ends of a connection between two peers here, and one that a third in between would see. */
export async function bindings(): Promise<string[]> {
  const [left, right, other] = [new RTCPeerConnection(), new RTCPeerConnection(), new RTCPeerConnection()]
  left.createDataChannel('disk')
  await left.setLocalDescription()
  await right.setRemoteDescription(left.localDescription!)
  await right.setLocalDescription()
  await left.setRemoteDescription(right.localDescription!)
  await other.setRemoteDescription(left.localDescription!)
  await other.setLocalDescription()
  const sdp = (peer: RTCPeerConnection) => ({ local: peer.localDescription!.sdp, remote: peer.remoteDescription!.sdp })
  const all = [sdp(left), sdp(right), sdp(other)]
  for (const peer of [left, right, other]) peer.close()
  return Promise.all(all.map(async (descriptions) => String(await webRtcBinding(descriptions))))
}
