import { StorageError } from '../../errors/storage-error.ts'
import { type BufferPool, type DataBuffer, HEAD_ROOM } from './buffer-pool.ts'
import { refusalOf } from './check-request.ts'
import { COMMAND } from './codes.ts'
import { type ExportDirectory, Handshake, type HandshakeOutcome } from './handshake.ts'
import { greeting } from './handshake-replies.ts'
import { BYTES_IN_FLIGHT, REQUESTS_IN_FLIGHT, SEND_AHEAD_BYTES } from './limits.ts'
import type { NbdExport } from './nbd-export.ts'
import type { RequestFailure } from './request-failure.ts'
import { RequestRunner } from './request-runner.ts'
import { type ReaderEvent, type Request, RequestReader } from './transmission.ts'
import type { Wire } from './wire.ts'

/** What a connection tells its server. */
export interface ConnectionListener {
  /** The client chose an export; its handshake is over. */
  chosen(chosen: NbdExport): void
  /** A request failed, and not by the client's fault. */
  failed(error: unknown): void
  /** The client broke the protocol; the connection ends. */
  broken(error: StorageError): void
}

/** What the connection speaks once the handshake is over. */
interface Session {
  readonly export: NbdExport
  readonly runner: RequestRunner
  readonly structured: boolean
  readonly allocation: boolean
}

/** A write whose payload is on its way: into a buffer, or past us when the request is refused. */
type IncomingWrite = { readonly request: Request } & (
  | { readonly buffer: DataBuffer; readonly refusal?: never }
  | { readonly buffer?: never; readonly refusal: RequestFailure }
)

/**
 * One client, from its first byte to its last answer, without a socket.
 *
 * Requests are carried out at the same time and answered as they end. Past `REQUESTS_IN_FLIGHT`, `BYTES_IN_FLIGHT` or `SEND_AHEAD_BYTES`
 * nothing more is read from the socket. A write is carried out only once its whole payload is here.
 */
export class Connection {
  readonly #wire: Wire
  readonly #pool: BufferPool
  readonly #listener: ConnectionListener
  readonly #handshake: Handshake<NbdExport>
  readonly #reader = new RequestReader()
  #session: Session | undefined
  #state: 'open' | 'finishing' | 'ended' = 'open'
  /** Bytes that came and were not looked at yet. */
  #rest: Uint8Array = NOTHING
  /** A request that waits until there is room for it. */
  #announced: Request | undefined
  #incoming: IncomingWrite | undefined
  /** Requests that hold memory, and how much of it they hold. */
  #requests = 0
  #bytes = 0
  /** Requests that are not answered yet. */
  #working = 0
  #pumping = false
  #resolveFinished = () => {}
  /** Resolves when no request is at work any more and the wire was told to end. */
  readonly finished: Promise<void>

  constructor(wire: Wire, directory: ExportDirectory<NbdExport>, pool: BufferPool, listener: ConnectionListener) {
    this.#wire = wire
    this.#pool = pool
    this.#listener = listener
    this.#handshake = new Handshake(directory)
    this.finished = new Promise((resolve) => {
      this.#resolveFinished = resolve
    })
    wire.send([greeting()])
  }

  /** Takes bytes of the client. They are borrowed until the wire is told to read on. */
  receive(bytes: Uint8Array): void {
    if (this.#state !== 'open') return
    this.#rest = bytes
    this.#pump()
  }

  /** Where the next bytes may be put directly: the rest of a payload. Undefined while they have to be looked at. */
  get place(): Uint8Array | undefined {
    return this.#state === 'open' && this.#rest.length === 0 ? this.#reader.place : undefined
  }

  /** Says that `count` bytes of the client were put at {@link place}. */
  placed(count: number): void {
    if (this.#state !== 'open') return
    this.#take(this.#reader.placed(count))
    this.#pump()
  }

  /** Takes no more requests; those under way are answered, then the wire ends. A write whose payload is not complete is forgotten. */
  finish(): void {
    if (this.#state !== 'open') return
    this.#state = 'finishing'
    this.#rest = NOTHING
    this.#announced = undefined
    this.#wire.setReading(false)
    // Its buffer is not given back to the pool: the socket may still read into it.
    this.#incoming = undefined
    this.#endIfIdle()
  }

  /** Says that the wire took bytes, so that there may be room for more. */
  drained(): void {
    this.#pump()
  }

  /** Says that the client sends no more. In the middle of a request that is a failure of its. */
  peerEnded(): void {
    if (this.#state !== 'open') return
    if (this.#session && this.#reader.inside) {
      this.#listener.broken(new StorageError('PEER_LOST', 'the client went away in the middle of a request'))
    }
    this.finish()
  }

  #endIfIdle(): void {
    if (this.#state !== 'finishing' || this.#working > 0) return
    this.#state = 'ended'
    this.#wire.end()
    this.#resolveFinished()
  }

  /** Goes on with what came as far as there is room, then says whether more may come. */
  #pump(): void {
    if (this.#pumping || this.#state !== 'open') return
    this.#pumping = true
    try {
      while (this.#state === 'open' && this.#step());
    } finally {
      this.#pumping = false
    }
    if (this.#state === 'open') this.#wire.setReading(this.#rest.length === 0 && this.#announced === undefined)
  }

  /** One event; false when nothing is left or there is no room for more. */
  #step(): boolean {
    if (this.#announced) return this.#admit(this.#announced, this.#session!)
    if (this.#rest.length === 0) return false
    if (!this.#session) return this.#shake()
    const event = this.#reader.receive(this.#rest)
    this.#rest = this.#rest.subarray(this.#reader.consumed)
    this.#take(event)
    return true
  }

  #shake(): boolean {
    if (this.#wire.unsent > SEND_AHEAD_BYTES) return false
    const { consumed, replies, outcome } = this.#handshake.receive(this.#rest)
    this.#rest = this.#rest.subarray(consumed)
    if (replies.length > 0) this.#wire.send(replies)
    if (outcome) this.#endHandshake(outcome)
    return true
  }

  #endHandshake(outcome: HandshakeOutcome<NbdExport>): void {
    if (outcome.kind !== 'chosen') {
      if (outcome.kind === 'refused') this.#listener.broken(outcome.error)
      this.finish()
      return
    }
    const { structured, allocation } = outcome
    const runner = new RequestRunner({
      export: outcome.export,
      wire: this.#wire,
      pool: this.#pool,
      structured,
      failed: (error) => this.#listener.failed(error),
    })
    this.#session = { export: outcome.export, runner, structured, allocation }
    this.#listener.chosen(outcome.export)
  }

  #take(event: ReaderEvent): void {
    if (event === 'request') this.#announced = this.#reader.request
    else if (event === 'payload') this.#payloadComplete()
    else if (event === 'broken') {
      this.#listener.broken(new StorageError('MALFORMED', 'a request does not begin with its magic number'))
      this.finish()
    }
  }

  /** Starts a request if there is room for it; else it stays announced. */
  #admit(request: Request, session: Session): boolean {
    if (request.command === COMMAND.DISC) {
      this.finish()
      return false
    }
    if (this.#requests >= REQUESTS_IN_FLIGHT || this.#wire.unsent > SEND_AHEAD_BYTES) return false
    const { size, readOnly } = session.export
    const refusal = refusalOf(request, { ...session, size, readOnly })
    const bytes = refusal ? 0 : heldBytes(request)
    if (this.#bytes > 0 && this.#bytes + bytes > BYTES_IN_FLIGHT) return false
    this.#announced = undefined
    if (request.command === COMMAND.WRITE && request.length > 0) this.#expectPayload(request, refusal)
    else if (refusal) session.runner.refuse(request, refusal)
    else this.#start(session, request, bytes)
    return true
  }

  #expectPayload(request: Request, refusal: RequestFailure | undefined): void {
    if (refusal) {
      this.#incoming = { request, refusal }
      this.#reader.skipPayload()
    } else {
      const buffer = this.#pool.take(request.length)
      this.#incoming = { request, buffer }
      this.#reader.placePayload(buffer.bytes.subarray(HEAD_ROOM, HEAD_ROOM + request.length))
    }
  }

  #payloadComplete(): void {
    const { request, buffer, refusal } = this.#incoming!
    this.#incoming = undefined
    if (refusal) this.#session!.runner.refuse(request, refusal)
    else this.#start(this.#session!, request, request.length, buffer)
  }

  /** Only one payload comes in at a time, so it counts once it is complete; while it comes it has the room it was admitted to. */
  #start(session: Session, request: Request, bytes: number, payload?: DataBuffer): void {
    this.#requests++
    this.#bytes += bytes
    const released = () => {
      this.#requests--
      this.#bytes -= bytes
      this.#pump()
    }
    if (session.runner.readNow(request, released)) return
    this.#working++
    void session.runner.run(request, payload, released).then(() => {
      this.#working--
      this.#endIfIdle()
    })
  }
}

/** Bytes of data that a request makes us hold. */
function heldBytes({ command, length }: Request): number {
  return command === COMMAND.READ || command === COMMAND.WRITE ? length : 0
}

const NOTHING = new Uint8Array()
