import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http'
import {
  createServer as createHttpsServer,
  type Server as HttpsServer,
  type ServerOptions as HttpsServerOptions,
} from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket as NodeWebSocket, WebSocketServer } from 'ws'
import type { Channel } from '../protocol/channel.ts'
import { type Admission, Doorstep, pushedOut } from './doorstep.ts'
import { CONNECTIONS, STANDING_CONNECTIONS, WEBSOCKET_MESSAGE_BYTES } from './limits.ts'
import { type ChannelServer, closing, listening, peerOf } from './tcp-server.node.ts'
import { nodeWebSocketChannel } from './websocket-client.node.ts'

/** How {@link listenWebSocket} listens. */
export interface ListenWebSocketOptions {
  /** A server that listens already or will; it stays the caller's. Default: one of our own. */
  readonly server?: HttpServer | HttpsServer
  /** Where our own server listens. Default: `127.0.0.1`, since without TLS nothing is hidden. */
  readonly host?: string
  /** Default: 0, any free one. */
  readonly port?: number
  /** TLS for our own server, `key` and `cert` among the options. Default: none. */
  readonly tls?: HttpsServerOptions
  /** The path of the address. Upgrades to others are refused by our own server and left alone on a given one. Default: `/`. */
  readonly path?: string
  /** Subprotocols spoken here, best first. A client that offers none of them is refused. */
  readonly protocols: readonly string[]
  /**
   * Pages that may connect, by the `Origin` a browser sends, such as `https://example.org`: WebSockets know no same-origin rule, so any
   * page a user opens could reach a server on his machine. Default: pages of the server's own address only. Clients outside browsers send no
   * origin and are not held back by this.
   */
  readonly origins?: readonly string[] | 'any'
  /** Connections kept at once; further ones are answered 503. Default: `CONNECTIONS`. */
  readonly maxConnections?: number
  readonly admission?: Admission
  /** Takes each connection together with the subprotocol agreed upon; `admit` says that the owner lets it in. */
  readonly onChannel: (
    channel: Channel,
    connection: { readonly protocol: string; readonly request: IncomingMessage; readonly admit: () => void },
  ) => void
}

/** Listens for WebSocket connections with `ws`. @throws StorageError `OPEN_FAILED` when the address of our own server is taken or not ours */
export async function listenWebSocket(options: ListenWebSocketOptions): Promise<ChannelServer> {
  const { host = '127.0.0.1', port = 0, path = '/', protocols, maxConnections = CONNECTIONS } = options
  const own = options.server ? undefined : ownServer(options.tls)
  const server = options.server ?? own!
  const sockets = new WebSocketServer({
    noServer: true,
    // Disk blocks hardly shrink, and each connection would hold compressor windows.
    perMessageDeflate: false,
    maxPayload: WEBSOCKET_MESSAGE_BYTES,
    handleProtocols: (offered) => protocols.find((protocol) => offered.has(protocol)) ?? false,
  })
  const doorstep = new Doorstep(STANDING_CONNECTIONS)
  const arrive = (socket: Socket) => {
    const peer = peerOf(socket)
    doorstep.stand(peer, { cut: () => socket.destroy(), hasSpoken: () => socket.bytesRead > 0 })
    socket.on('close', () => doorstep.leave(peer))
  }
  const take = (socket: NodeWebSocket, request: IncomingMessage) => {
    const channel = nodeWebSocketChannel(socket)
    const peer = peerOf(request.socket)
    const admit = () => doorstep.leave(peer)
    // A client of WebSockets has spoken in its handshake.
    const standing = { cut: () => channel.abort(pushedOut()), hasSpoken: () => true }
    if (options.admission === 'by-owner') doorstep.stand(peer, standing)
    else admit()
    options.onChannel(channel, { protocol: socket.protocol, request, admit })
  }
  const upgrade = (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const status = judge(request)
    if (status === 'other') return
    if (status !== undefined) return refuse(stream, status)
    // Those of a server of ours stand there since they came.
    if (!own) arrive(request.socket)
    sockets.handleUpgrade(request, stream, head, take)
  }
  const judge = (request: IncomingMessage): number | 'other' | undefined => {
    const { 'sec-websocket-protocol': offered = '' } = request.headers
    if (request.url?.split('?')[0] !== path) return own ? 404 : 'other'
    if (!isWelcome(request, options.origins)) return 403
    const names = offered.split(',').map((name) => name.trim())
    if (!protocols.some((protocol) => names.includes(protocol))) return 400
    return sockets.clients.size >= maxConnections ? 503 : undefined
  }
  server.on('upgrade', upgrade)
  own?.on('connection', arrive)
  if (own) await listening(own, host, port)
  const close = async () => {
    server.off('upgrade', upgrade)
    doorstep.clear()
    if (own) await closing(own)
  }
  // A given server may not listen yet.
  return { port: (server.address() as AddressInfo | null)?.port ?? port, close }
}

/** Answers plain requests that only upgrades are served. */
function ownServer(tls: HttpsServerOptions | undefined): HttpServer | HttpsServer {
  const answer = (_: IncomingMessage, response: ServerResponse) => void response.writeHead(426).end()
  return tls ? createHttpsServer(tls, answer) : createServer(answer)
}

function isWelcome({ headers }: IncomingMessage, origins: readonly string[] | 'any' | undefined): boolean {
  const { origin, host } = headers
  if (origin === undefined || origins === 'any') return true
  if (origins) return origins.includes(origin)
  // A sandboxed page has the origin "null", which is nobody's.
  return URL.canParse(origin) && new URL(origin).host === host
}

function refuse(stream: Duplex, status: number): void {
  stream.on('error', () => {}) // Whoever is refused may be gone already.
  const answer = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`
  // Without this, it would stay half open until the other side hangs up.
  stream.end(answer, () => stream.destroy())
}
