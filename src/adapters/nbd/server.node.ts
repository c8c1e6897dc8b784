import { createServer, type Server, type Socket } from 'node:net'
import { type Clock, systemClock } from '../../async/clock.ts'
import { checkInteger } from '../../errors/invalid-argument-error.ts'
import { combineErrors, errorMessage, StorageError } from '../../errors/storage-error.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import { BufferPool } from './buffer-pool.ts'
import { ExportTable, type NbdExports } from './export-table.ts'
import { CONNECTIONS, HANDSHAKE_TIMEOUT_MS } from './limits.ts'
import { type ClientSurroundings, ServedClient } from './served-client.node.ts'
import { type NbdServerEventMap, NbdServerEvents, type NbdServerListener } from './server-events.ts'
import { freeSocketPath } from './socket-path.node.ts'

/** Where a server listens: a unix socket or TCP (port 0: any free one; 10809 is the protocol's own). */
export type NbdAddress = { readonly unix: string } | { readonly host: string; readonly port: number }

/** How an {@link NbdServer} is made. */
export interface NbdServerOptions {
  /** What is offered. A client that names no export gets the one called `''`, else the only one there is. */
  readonly exports: NbdExports
  /** Clients at the same time; a further one is hung up on. Default: `CONNECTIONS`. */
  readonly connections?: number
  /** Milliseconds a client may take to choose an export. Default: `HANDSHAKE_TIMEOUT_MS`. */
  readonly handshakeTimeoutMs?: number
  readonly clock?: Clock
}

/**
 * Serves storages as network block devices, to QEMU, the Linux kernel, `nbdcopy` and every other NBD client.
 *
 * Anybody who reaches the address may use the exports: the protocol's encryption is not offered, so listen on a unix socket or on loopback.
 * The providers stay the caller's: the server flushes them when it closes, and never closes them.
 */
export class NbdServer {
  readonly #exports: ExportTable
  readonly #connections: number
  readonly #surroundings: ClientSurroundings
  readonly #servers = new Set<Server>()
  readonly #clients = new Set<ServedClient>()
  #lastClient = 0
  #closing: Promise<void> | undefined

  constructor(options: NbdServerOptions) {
    const clock = options.clock ?? systemClock
    this.#exports = new ExportTable(options.exports, clock)
    this.#connections = checkInteger('connections', options.connections ?? CONNECTIONS, 1)
    this.#surroundings = {
      exports: this.#exports,
      pool: new BufferPool(),
      clock,
      events: new NbdServerEvents(),
      handshakeTimeoutMs: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
    }
  }

  /** Clients connected now. */
  get clients(): number {
    return this.#clients.size
  }

  /** Listens to what the server has to tell; returns the function that stops listening. */
  on<Type extends keyof NbdServerEventMap>(type: Type, listener: NbdServerListener<Type>): () => void {
    return this.#surroundings.events.on(type, listener)
  }

  /**
   * Opens an address to clients; may be called for several. Resolves with the address as it is, a free port filled in. A socket file that nobody
   * answers at is replaced.
   * @throws StorageError `OPEN_FAILED`, `CLOSED`
   */
  async listen(address: NbdAddress): Promise<NbdAddress> {
    if ('unix' in address) await freeSocketPath(address.unix)
    if (this.#closing) throw new StorageError('CLOSED', 'the server was closed')
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) =>
      this.#accept(socket),
    )
    this.#servers.add(server)
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen('unix' in address ? { path: address.unix } : address, resolve)
      })
    } catch (cause) {
      this.#servers.delete(server)
      throw new StorageError('OPEN_FAILED', errorMessage(cause), { cause })
    }
    if (this.#closing) {
      server.close()
      throw new StorageError('CLOSED', 'the server was closed')
    }
    server.on('error', (error) => this.#surroundings.events.emit('error', { error }))
    const bound = server.address()
    return bound && typeof bound === 'object' ? { host: bound.address, port: bound.port } : address
  }

  /**
   * Refuses or allows writing to an export from now on, clients that are connected included: their writes fail with `EPERM`. Resolves when no
   * write that was let in before is under way.
   * @throws StorageError `NOT_FOUND`
   */
  async setReadOnly(name: string, readOnly: boolean): Promise<void> {
    await this.#exports.get(name).setReadOnly(readOnly)
  }

  /**
   * Puts another provider of the same size behind an export while clients are connected: new requests wait, those under way end, what they wrote
   * is flushed, then the new provider serves. If that fails or the signal fires, all stays as it was. The old provider is the caller's to close.
   * @throws StorageError `NOT_FOUND`, `SIZE_MISMATCH`, `ABORTED`, or what the old provider's flush threw.
   */
  async replaceProvider(
    name: string,
    provider: StorageProvider,
    options: { signal?: AbortSignal } = {},
  ): Promise<void> {
    await this.#exports.get(name).replace(provider, options.signal)
  }

  /**
   * Ends in order: no new client and no new request, requests under way are answered, sockets end, providers are flushed. Idempotent. It waits
   * for the storages as long as they take, and for clients that do not take their answers `CLOSE_TIMEOUT_MS`.
   * Rejects with what the flushes threw, when everything else is done.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#exports.closing = true
    const closed = [...this.#servers].map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
    const clients = [...this.#clients]
    for (const client of clients) client.finish()
    await Promise.all(clients.map((client) => client.gone))
    await Promise.all(closed)
    const flushed = await Promise.allSettled(this.#exports.list().map((it) => it.flush()))
    let failure: unknown
    for (const result of flushed) if (result.status === 'rejected') failure = combineErrors(failure, result.reason)
    if (failure !== undefined) throw failure
  }

  #accept(socket: Socket): void {
    if (this.#closing) {
      socket.destroy()
      return
    }
    if (this.#clients.size >= this.#connections) {
      socket.destroy()
      const error = new StorageError('LIMIT_EXCEEDED', `more than ${this.#connections} clients at the same time`)
      this.#surroundings.events.emit('error', { error })
      return
    }
    const { events } = this.#surroundings
    const number = ++this.#lastClient
    events.emit('connection', { client: number })
    const client = new ServedClient(number, socket, this.#surroundings)
    this.#clients.add(client)
    void client.gone.then(() => {
      this.#clients.delete(client)
      events.emit('disconnection', { client: number })
    })
  }
}
