import type { Socket } from 'node:net'
import type { Clock } from '../../async/clock.ts'
import { StorageError } from '../../errors/storage-error.ts'
import type { BufferPool } from './buffer-pool.ts'
import { Connection } from './connection.ts'
import type { ExportTable } from './export-table.ts'
import type { NbdServerEvents } from './server-events.ts'
import { SocketWire } from './socket-wire.node.ts'

/** What the clients of one server share. */
export interface ClientSurroundings {
  readonly exports: ExportTable
  readonly pool: BufferPool
  readonly clock: Clock
  readonly events: NbdServerEvents
  /** Milliseconds to choose an export in. */
  readonly handshakeTimeoutMs: number
}

/** A client as its server knows it: a socket, and the connection that is spoken over it. */
export class ServedClient {
  readonly #number: number
  readonly #surroundings: ClientSurroundings
  readonly #wire: SocketWire
  readonly #connection: Connection
  readonly #shaken = new AbortController()
  #resolveGone = () => {}
  /** Resolves when the socket is closed and no request of the client is at work any more. */
  readonly gone: Promise<void>

  /** `number` names the client in events; `socket` is handed over, paused. */
  constructor(number: number, socket: Socket, surroundings: ClientSurroundings) {
    const { exports, pool, clock, events } = surroundings
    this.#number = number
    this.#surroundings = surroundings
    this.gone = new Promise((resolve) => {
      this.#resolveGone = resolve
    })
    this.#wire = new SocketWire(socket, clock)
    this.#connection = new Connection(this.#wire, exports, pool, {
      chosen: (chosen) => {
        this.#shaken.abort()
        events.emit('chosen', { client: number, export: chosen.name })
      },
      failed: (error) => this.#report(error),
      broken: (error) => this.#report(error),
    })
    this.#start()
  }

  /** Takes no more requests, answers those under way and ends. */
  finish(): void {
    this.#connection.finish()
  }

  #start(): void {
    const connection = this.#connection
    this.#wire.start({
      received: (bytes) => connection.receive(bytes),
      place: () => connection.place,
      placed: (count) => connection.placed(count),
      drained: () => connection.drained(),
      peerEnded: () => connection.peerEnded(),
      closed: (error) => {
        this.#shaken.abort()
        if (error) this.#report(error)
        void connection.finished.then(this.#resolveGone)
      },
    })
    const { clock, handshakeTimeoutMs } = this.#surroundings
    clock.sleep(handshakeTimeoutMs, this.#shaken.signal).then(
      () => {
        this.#report(new StorageError('LIMIT_EXCEEDED', `the client chose no export in ${handshakeTimeoutMs} ms`))
        this.#wire.destroy()
      },
      () => {},
    )
  }

  #report(error: unknown): void {
    this.#surroundings.events.emit('error', { client: this.#number, error })
  }
}
