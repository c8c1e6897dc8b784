import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { systemClock } from '../async/clock.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Channel } from '../protocol/channel.ts'
import { CONNECTIONS, HANDSHAKE_TIMEOUT_MS } from './limits.ts'
import { tcpChannel } from './tcp.node.ts'

/** How {@link listenTcp} listens. */
export interface ListenTcpOptions {
  /** Default: `127.0.0.1`, since plain TCP hides nothing. */
  readonly host?: string
  /** Default: 0, any free one. */
  readonly port?: number
  /** TLS with these options of Node, `key` and `cert` among them. Default: plain TCP. */
  readonly tls?: TlsOptions
  /** Connections kept at once; further ones are dropped. Default: `CONNECTIONS`. */
  readonly maxConnections?: number
  /** Takes each connection, after its TLS handshake. */
  readonly onChannel: (channel: Channel) => void
}

/** A server that gives a channel per connection. */
export interface ChannelServer {
  readonly port: number
  /** Takes no further connections; the channels there are stay. Idempotent; resolves when the address is free. */
  close(): Promise<void>
}

/** Listens for TCP or TLS connections. @throws StorageError `OPEN_FAILED` when the address is taken or not ours */
export async function listenTcp(options: ListenTcpOptions): Promise<ChannelServer> {
  const { host = '127.0.0.1', port = 0, tls, maxConnections = CONNECTIONS, onChannel } = options
  const server: Server = tls
    ? createTlsServer({ handshakeTimeout: HANDSHAKE_TIMEOUT_MS, ...tls, allowHalfOpen: true } as TlsOptions)
    : createServer({ allowHalfOpen: true })
  server.maxConnections = maxConnections
  // The TCP sockets beneath those of TLS, which does not tell them: only they can be reset.
  const transports = new Map<string, Socket>()
  server.on('connection', (socket) => {
    const key = peerOf(socket)
    transports.set(key, socket)
    socket.on('close', () => transports.delete(key))
    if (!tls) onChannel(tcpChannel(socket))
  })
  server.on('secureConnection', (socket: Socket) => onChannel(tcpChannel(socket, transports.get(peerOf(socket)))))
  await listening(server, host, port)
  return { port: (server.address() as AddressInfo).port, close: () => closing(server) }
}

/** Stops listening. Node's own event of having closed waits for every connection, and those are not ours any more. */
export async function closing(server: Server): Promise<void> {
  server.close()
  await systemClock.yield()
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`
}

/** Resolves when the server listens. @throws StorageError `OPEN_FAILED` */
export async function listening(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const failed = (cause: unknown) =>
      reject(
        new StorageError('OPEN_FAILED', `Cannot listen at ${host} port ${port}.`, { cause, context: { host, port } }),
      )
    server.once('error', failed)
    server.listen(port, host, () => {
      server.off('error', failed)
      resolve()
    })
  })
}
