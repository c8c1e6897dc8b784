// The sending process of `websocket-chromium`: `websocket-peer.js SIZE`. It tells its parent two ports, one for each way to send a disk, and of
// each connection how many milliseconds it took. What drives the browser watches every promise of its own process, so nothing is measured there.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { listenWebSocket } from '../../src/transports/websocket-server.node.ts'
import { filledDisk, moveOver } from './move-disk.ts'
import { fillRandom } from './random-bytes.ts'

/** Bytes of one message by hand; Chromium takes 1 MiB no faster. */
const MESSAGE_BYTES = 2 ** 18

/** Messages by hand that are not sent yet: a few keep the socket busy. */
const UNSENT_MESSAGES = 4

const size = Number(process.argv[2])
const source = filledDisk(size)

/** One and the same piece again and again, or the disk, each message in memory of its own. */
function messagesOf(what: 'piece' | 'disk'): (offset: number) => Uint8Array {
  const piece = new Uint8Array(MESSAGE_BYTES)
  fillRandom(piece)
  return (offset) => {
    if (what === 'piece') return piece
    const message = Buffer.allocUnsafeSlow(MESSAGE_BYTES)
    source.readAtSync(message, offset)
    return message
  }
}

/** Milliseconds until the other side says that all has come. */
async function sendByHand(socket: WebSocket, what: 'piece' | 'disk'): Promise<number> {
  const message = messagesOf(what)
  const counted = once(socket, 'message')
  const startedAt = performance.now()
  const sends: Promise<void>[] = []
  for (let offset = 0; offset < size; offset += MESSAGE_BYTES) {
    sends.push(
      new Promise((resolve, reject) => socket.send(message(offset), (error) => (error ? reject(error) : resolve()))),
    )
    if (sends.length > UNSENT_MESSAGES) await sends.shift()
  }
  await counted
  return performance.now() - startedAt
}

async function serveByHand(what: 'piece' | 'disk'): Promise<number> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  await once(server, 'listening')
  server.on('connection', async (socket) => {
    const took = await sendByHand(socket, what)
    socket.close()
    process.send!({ took })
  })
  return (server.address() as AddressInfo).port
}

const ours = await listenWebSocket({
  protocols: ['blockferry.1'],
  origins: 'any',
  onChannel: async (channel) => {
    process.send!({ took: await moveOver(channel, source) })
  },
})
process.send!({ piece: await serveByHand('piece'), disk: await serveByHand('disk'), ours: ours.port })
process.on('disconnect', () => process.exit())
