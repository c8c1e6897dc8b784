import type { Channel } from '../../../src/protocol/channel.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { takeDataChannel } from '../../../src/transports/data-channel-transfer.ts'
import { messagePortChannel } from '../../../src/transports/message-port.ts'
import { dataChannelChannel } from '../../../src/transports/webrtc.ts'
import { webSocketChannel } from '../../../src/transports/websocket.ts'
import { filledDisk, moveOver, storeDisk } from '../move-disk.ts'
import { fillRandom } from '../random-bytes.ts'
import { type BareLink, bareDataChannel, barePort, bareWebSocket, countBare, sendBare } from './bare-link.ts'

/** What one end of a link does: by hand, or with a disk. */
export interface Task {
  readonly role: 'send-bare' | 'count-bare' | 'store-bare' | 'send-disk' | 'store-disk'
  /** Bytes of the disk. */
  readonly size: number
  /** Bytes of one message, by hand. */
  readonly messageBytes?: number
  /** What the peer of a data channel takes. */
  readonly maxMessageSize?: number
}

/** An end of a link, or the address where to get one. */
export type Link = MessagePort | RTCDataChannel | string

let source: MemoryStorage | undefined
let destination: MemoryStorage | undefined

/** Touched, so that no run pays for fresh pages; kept, so that all runs have the same. */
function keptDestination(size: number): MemoryStorage {
  if (destination) return destination
  destination = new MemoryStorage(size)
  const piece = new Uint8Array(2 ** 20).fill(1)
  for (let at = 0; at < size; at += piece.length) destination.writeAtSync(piece, at)
  return destination
}

/** Prepares for a task, so that a run measures only itself. */
export function prepare({ role, size }: Task): void {
  if (role === 'send-disk') source ??= filledDisk(size)
  if (role === 'store-disk' || role === 'store-bare') keptDestination(size)
}

/** Does it; resolves with the milliseconds it took, as far as this end sees them. */
export async function run(task: Task, link: Link): Promise<number> {
  const { role, size, messageBytes = 2 ** 20 } = task
  const object = typeof link === 'string' ? await openSocket(link) : link
  if (role === 'send-disk') return moveOver(channelOf(object, task), source!)
  if (role === 'store-disk') {
    await storeDisk(channelOf(object, task), destination!)
    return 0
  }
  const bare = bareOf(object)
  if (role === 'count-bare' || role === 'store-bare') {
    const store = role === 'store-bare' ? keptDestination(size) : undefined
    await countBare(bare, size, (bytes, offset) => store?.writeAtSync(bytes, offset))
    return 0
  }
  const piece = new Uint8Array(messageBytes)
  fillRandom(piece)
  const took = await sendBare(bare, size, piece)
  bare.close()
  return took
}

async function openSocket(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, ['blockferry.1'])
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve()
    socket.onerror = () => reject(new Error(`no WebSocket connection to ${url}`))
  })
  return socket
}

function bareOf(object: MessagePort | RTCDataChannel | WebSocket): BareLink {
  if (object instanceof MessagePort) return barePort(object)
  return object instanceof WebSocket ? bareWebSocket(object) : bareDataChannel(object)
}

function channelOf(object: MessagePort | RTCDataChannel | WebSocket, task: Task): Channel {
  if (object instanceof MessagePort) return messagePortChannel(object)
  if (object instanceof WebSocket) return webSocketChannel(object)
  return dataChannelChannel(
    takeDataChannel(object, { isAnnounced: task.role === 'store-disk' }),
    task.maxMessageSize === undefined ? {} : { maxMessageSize: task.maxMessageSize },
  )
}
