import type { IncomingMessage, Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { type Clock, systemClock } from '../../async/clock.ts'
import { StorageError } from '../../errors/storage-error.ts'
import { ADDRESSES, ATTEMPTS, ATTEMPTS_MS, CONNECTIONS_PER_ADDRESS, JOIN_MS, MESSAGE_BYTES, ROOMS } from './limits.ts'
import { CLOSE_CODE, RENDEZVOUS_PATH, RENDEZVOUS_PROTOCOL } from './rendezvous-messages.ts'
import { RendezvousRooms } from './rendezvous-rooms.ts'

/** How a rendezvous behaves. */
export interface RendezvousServerOptions {
  readonly clock?: Clock
  /** Addresses of the page for hosts to put into their links. Default: none. */
  readonly addresses?: () => readonly string[]
  /** Rooms at once; further hosts are told that it is full. Default: `ROOMS`. */
  readonly mostRooms?: number
  /** Addresses let in within `ATTEMPTS_MS`. Default: `ADDRESSES`. */
  readonly mostAddresses?: number
}

/** A rendezvous within a server that also does other things. */
export interface Rendezvous {
  /** Rooms with a host in them. */
  readonly rooms: number
  /** Ends every room and takes nobody any more. Idempotent. */
  close(): void
}

/**
 * Answers WebSockets at `RENDEZVOUS_PATH` of a server, and leaves all its other connections alone. It only passes on what two parties in one
 * room say, writes nothing down, and is trusted with nothing: what it could change is noticed by the proof of the secret.
 */
export function attachRendezvous(server: Server, options: RendezvousServerOptions = {}): Rendezvous {
  const { clock = systemClock, addresses, mostRooms = ROOMS, mostAddresses = ADDRESSES } = options
  const sockets = new WebSocketServer({
    noServer: true,
    // Longer messages end the connection before they are read.
    maxPayload: MESSAGE_BYTES,
    perMessageDeflate: false,
    handleProtocols: (protocols) => (protocols.has(RENDEZVOUS_PROTOCOL) ? RENDEZVOUS_PROTOCOL : false),
  })
  const rooms = new RendezvousRooms({ clock, mostRooms, ...(addresses ? { addresses } : {}) })
  const door = new Door(clock, mostAddresses)
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (request.url?.split('?')[0] !== RENDEZVOUS_PATH) return
    const address = request.socket.remoteAddress ?? ''
    sockets.handleUpgrade(request, socket, head, (client) => {
      // After the handshake, since a browser is told nothing about one that was refused.
      if (!door.letIn(address)) return refuse(client)
      client.on('close', () => door.letOut(address))
      receive(client, rooms, clock)
    })
  }
  server.on('upgrade', upgrade)
  return {
    get rooms() {
      return rooms.size
    },
    close: () => {
      server.off('upgrade', upgrade)
      for (const client of sockets.clients) client.terminate()
      sockets.close()
    },
  }
}

/** A rendezvous on a port of its own. */
export interface RendezvousServer extends Rendezvous {
  readonly port: number
  /** Also waits until the port is free. Idempotent. */
  close(): Promise<void>
}

/** Starts a rendezvous on a port of its own; 0 takes any free one. @throws StorageError `OPEN_FAILED` */
export async function startRendezvous(
  options: RendezvousServerOptions & { readonly host: string; readonly port: number },
): Promise<RendezvousServer> {
  const { host, port } = options
  const server = createServer((_, response) => {
    response
      .writeHead(426, { 'content-type': 'text/plain' })
      .end('This is a rendezvous for blockferry; connect by WebSocket.\n')
  })
  const rendezvous = attachRendezvous(server, options)
  server.on('upgrade', (request, socket) => {
    if (request.url?.split('?')[0] === RENDEZVOUS_PATH) return
    // Whoever is refused may be gone already, and an error that nobody listens to would end the process.
    socket.on('error', () => {})
    socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n', () => socket.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new StorageError('OPEN_FAILED', `Cannot listen at ${host} port ${port}.`, { cause, context: { host, port } }),
      ),
    )
    server.listen(port, host, resolve)
  })
  let closing: Promise<void> | undefined
  return {
    get rooms() {
      return rendezvous.rooms
    },
    port: (server.address() as AddressInfo).port,
    close: () => {
      rendezvous.close()
      closing ??= new Promise((resolve) => server.close(() => resolve()))
      // Node waits for those that never said anything.
      server.closeAllConnections()
      return closing
    },
  }
}

function receive(client: WebSocket, rooms: RendezvousRooms, clock: Clock): void {
  const gone = new AbortController()
  const stay = rooms.admit({
    send: (text) => client.send(text),
    close: (code) => close(client, code, clock, gone.signal),
  })
  client.on('message', (data, isBinary) => {
    if (client.readyState !== client.OPEN) return
    if (isBinary) close(client, CLOSE_CODE.malformed, clock, gone.signal)
    else stay.hear(String(data))
  })
  // A client that breaks the rules of WebSockets is closed by `ws`.
  client.on('error', () => {})
  client.on('close', () => {
    gone.abort()
    stay.left()
  })
  clock.sleep(JOIN_MS, gone.signal).then(
    () => stay.isInside || close(client, CLOSE_CODE.tooMuch, clock, gone.signal),
    () => {}, // Gone before.
  )
}

/** Ends a connection, and cuts it when the client does not answer. */
function close(client: WebSocket, code: number, clock: Clock, gone: AbortSignal): void {
  if (client.readyState !== client.OPEN) return
  client.close(code)
  clock.sleep(JOIN_MS, gone).then(
    () => client.terminate(),
    () => {}, // It did.
  )
}

function refuse(client: WebSocket): void {
  client.on('error', () => {})
  client.close(CLOSE_CODE.tooMuch)
  client.terminate()
}

/** Counts what comes from each address. */
class Door {
  readonly #clock: Clock
  readonly #mostAddresses: number
  readonly #inside = new Map<string, number>()
  readonly #attempts = new Map<string, number>()
  #since: number

  constructor(clock: Clock, mostAddresses: number) {
    this.#clock = clock
    this.#mostAddresses = mostAddresses
    this.#since = clock.now()
  }

  letIn(address: string): boolean {
    if (this.#clock.now() - this.#since >= ATTEMPTS_MS) {
      this.#attempts.clear()
      this.#since = this.#clock.now()
    }
    const attempts = (this.#attempts.get(address) ?? 0) + 1
    if (attempts === 1 && this.#attempts.size >= this.#mostAddresses) return false
    this.#attempts.set(address, attempts)
    const inside = this.#inside.get(address) ?? 0
    if (attempts > ATTEMPTS || inside >= CONNECTIONS_PER_ADDRESS) return false
    this.#inside.set(address, inside + 1)
    return true
  }

  letOut(address: string): void {
    const inside = (this.#inside.get(address) ?? 1) - 1
    if (inside === 0) this.#inside.delete(address)
    else this.#inside.set(address, inside)
  }
}
