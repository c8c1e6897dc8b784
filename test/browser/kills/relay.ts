import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

/** Joins a source and a destination that come by WebSocket, the latest of each, and counts what the source says. */
export interface Relay {
  readonly url: string
  /** Bytes that went from sources to destinations since the last look. */
  takeBytes(): number
  close(): void
}

export async function startRelay(): Promise<Relay> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'blockferry.1' })
  await once(server, 'listening')
  const waiting = new Map<string, { socket: WebSocket; early: [Buffer, boolean][] }>()
  let bytes = 0
  server.on('connection', (socket, request) => {
    const side = new URL(request.url ?? '', 'ws://relay').searchParams.get('side') ?? ''
    const early: [Buffer, boolean][] = []
    let partner: WebSocket | undefined
    const pass = (data: Buffer, isBinary: boolean) => {
      if (side === 'source') bytes += data.length
      partner?.send(data, { binary: isBinary })
    }
    const join = (other: WebSocket) => {
      partner = other
      for (const [data, isBinary] of early.splice(0)) pass(data, isBinary)
    }
    socket.on('error', () => {}) // Whoever is killed breaks off; the close follows.
    socket.on('message', (data: Buffer, isBinary) => {
      if (partner) pass(data, isBinary)
      else early.push([data, isBinary])
    })
    socket.on('close', () => {
      if (waiting.get(side)?.socket === socket) waiting.delete(side)
      partner?.terminate()
    })
    const otherSide = side === 'source' ? 'destination' : 'source'
    const other = waiting.get(otherSide)
    waiting.get(side)?.socket.terminate()
    waiting.delete(side)
    if (other) {
      waiting.delete(otherSide)
      join(other.socket)
      other.socket.emit('joined', socket)
    } else {
      waiting.set(side, { socket, early })
      socket.once('joined', join)
    }
  })
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    takeBytes: () => {
      const taken = bytes
      bytes = 0
      return taken
    },
    close: () => {
      for (const client of server.clients) client.terminate()
      server.close()
    },
  }
}
