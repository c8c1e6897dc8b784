import { type AddressInfo, createServer, type Server, Socket, type SocketConstructorOpts } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { systemClock } from '../async/clock.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Channel } from '../protocol/channel.ts'
import { type Admission, Doorstep, pushedOut } from './doorstep.ts'
import { CONNECTIONS, HANDSHAKE_TIMEOUT_MS, STANDING_CONNECTIONS } from './limits.ts'
import { directTcpChannel, tcpChannel } from './tcp.node.ts'
import { DirectIntake } from './tcp-intake.node.ts'

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
  readonly admission?: Admission
  /** Takes each connection, after its TLS handshake; `admit` says that the owner lets it in. */
  readonly onChannel: (channel: Channel, connection: { readonly admit: () => void }) => void
}

/** A server that gives a channel per connection. */
export interface ChannelServer {
  readonly port: number
  /** Takes no further connections and cuts those not let in; the channels there are stay. Idempotent; resolves when the address is free. */
  close(): Promise<void>
}

/** Listens for TCP or TLS connections. @throws StorageError `OPEN_FAILED` when the address is taken or not ours */
export async function listenTcp(options: ListenTcpOptions): Promise<ChannelServer> {
  const { host = '127.0.0.1', port = 0, tls, maxConnections = CONNECTIONS, admission, onChannel } = options
  const server: Server = tls
    ? createTlsServer({ handshakeTimeout: HANDSHAKE_TIMEOUT_MS, ...tls, allowHalfOpen: true } as TlsOptions)
    : createServer({ allowHalfOpen: true, pauseOnConnect: true })
  server.maxConnections = maxConnections
  const doorstep = new Doorstep(STANDING_CONNECTIONS)
  // The TCP sockets beneath those of TLS, which does not tell them: only they can be reset.
  const transports = new Map<string, Socket>()
  const take = ({ channel, hasSpoken }: Accepted, peer: string) => {
    const admit = () => doorstep.leave(peer)
    if (admission === 'by-owner') doorstep.stand(peer, { cut: () => channel.abort(pushedOut()), hasSpoken })
    else admit()
    onChannel(channel, { admit })
  }
  server.on('connection', (socket) => {
    const peer = peerOf(socket)
    transports.set(peer, socket)
    socket.on('close', () => {
      transports.delete(peer)
      doorstep.leave(peer)
    })
    if (tls) doorstep.stand(peer, { cut: () => socket.destroy(), hasSpoken: () => socket.bytesRead > 0 })
    else take(accepted(socket), peer)
  })
  server.on('secureConnection', (socket: Socket) => {
    const peer = peerOf(socket)
    // A client of TLS has spoken in its handshake.
    take({ channel: tcpChannel(socket, transports.get(peer)), hasSpoken: () => true }, peer)
  })
  await listening(server, host, port)
  const close = async () => {
    doorstep.clear()
    await closing(server)
  }
  return { port: (server.address() as AddressInfo).port, close }
}

/** What Node's sockets are made of; private to Node, so looked for before it is used. */
interface SocketHandle {
  readonly useUserBuffer?: unknown
}

interface Accepted {
  readonly channel: Channel
  /** Whether anything has come from the other side. */
  readonly hasSpoken: () => boolean
}

/**
 * The channel of a paused socket that a server has accepted. Servers cannot be told that their sockets should read into given memory, so the
 * handle is put into a socket that does: a disk then arrives 1.5 times as fast over loopback. Where that cannot be, Node reads as usual.
 */
function accepted(socket: Socket): Accepted {
  const shell = socket as Socket & { _handle?: SocketHandle | null }
  const handle = shell._handle
  if (typeof handle?.useUserBuffer !== 'function') {
    return { channel: tcpChannel(socket), hasSpoken: () => socket.bytesRead > 0 }
  }
  const direct = new DirectIntake()
  shell._handle = null
  const options = { handle, allowHalfOpen: true, onread: direct.onread }
  const reading = new Socket(options as SocketConstructorOpts)
  // The server counts its own sockets.
  reading.on('close', () => shell.destroy())
  return { channel: directTcpChannel(reading, direct), hasSpoken: () => reading.bytesRead > 0 }
}

/** Stops listening. Node's own event of having closed waits for every connection, and those are not ours any more. */
export async function closing(server: Server): Promise<void> {
  server.close()
  await systemClock.yield()
}

/** Tells the peers of one server apart. */
export function peerOf(socket: Socket): string {
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
