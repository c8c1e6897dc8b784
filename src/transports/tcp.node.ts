import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { StorageError } from '../errors/storage-error.ts'
import type { ByteSink, Channel } from '../protocol/channel.ts'
import {
  ALIGNED_BYTES,
  GATHERED_BYTES,
  PENDING_BYTES,
  PENDING_SENDS,
  TCP_BUFFERED_BYTES,
  TCP_KEEP_ALIVE_MS,
  TCP_SEND_BYTES,
  TLS_WRITE_BYTES,
} from './limits.ts'
import { type DirectIntake, type Intake, SliceIntake } from './tcp-intake.node.ts'

/**
 * A channel over a connected TCP or TLS socket of Node; the bytes on the wire are those sent and nothing else, as Silo peers need it. The
 * socket belongs to the channel from now on.
 *
 * Large sends are not copied: the socket reads from the caller's memory until the send resolves, which is when the system has taken it all.
 * Small ones are, so that those of one turn leave together and none waits for the system. The receiver holds the peer back by not reading. A FIN is the orderly close, also that of a peer's process that died by itself; a reset
 * is an error. Who closes sends a FIN and reads on until the peer's. A TLS 1.3 session gives a `binding`.
 *
 * `transport` is the TCP socket beneath a TLS socket, where it is at hand: without it, `abort` cannot reset the connection, and the peer may
 * take the abort for an orderly close.
 */
export function tcpChannel(socket: Socket, transport: Socket = socket): Channel {
  return new TcpChannel(socket, transport)
}

/** As {@link tcpChannel}, for a socket that was made with the `onread` of this intake. */
export function directTcpChannel(socket: Socket, intake: DirectIntake): Channel {
  return new TcpChannel(socket, socket, intake)
}

/**
 * Bytes that this process has sent over plain TCP, as far as is known here. Linux puts what a thread sends over any socket one behind the other into
 * the pages of that thread (`sk_page_frag`), so this says where in a page the next byte goes.
 */
let sentBytes = 0

/** The label of RFC 9266, channel bindings for TLS 1.3. */
const EXPORTER_LABEL = 'EXPORTER-Channel-Binding'

class TcpChannel implements Channel {
  readonly kind = 'tcp'
  readonly preferredBytes = TCP_SEND_BYTES
  readonly binding?: Uint8Array
  readonly ended: Promise<unknown>
  readonly #socket: Socket
  readonly #transport: Socket
  readonly #intake: Intake
  readonly receiveInto?: (sink: ByteSink) => void
  readonly #settle: (reason: unknown) => void
  #state: 'open' | 'closing' = 'open'
  #end: { readonly reason: unknown } | undefined
  #failure: unknown
  #isClosed = false
  #pendingSends = 0
  #pendingBytes = 0

  constructor(socket: Socket, transport: Socket, direct?: DirectIntake) {
    this.#socket = socket
    this.#transport = transport
    const binding = sessionBinding(socket)
    if (binding) this.binding = binding
    let settle: (reason: unknown) => void = () => {}
    this.ended = new Promise((resolve) => {
      settle = resolve
    })
    this.#settle = settle
    const events = { emptied: () => this.#goOn(), failed: (reason: unknown) => this.abort(reason) }
    this.#intake = direct ?? new SliceIntake(socket, events)
    if (direct) {
      direct.attach(socket, events)
      this.receiveInto = (sink) => direct.receiveInto(sink)
    }
    // Without this, Node would end our direction by itself while sends still wait.
    socket.allowHalfOpen = true
    transport.setNoDelay(true)
    transport.setKeepAlive(true, TCP_KEEP_ALIVE_MS)
    socket.on('end', () => this.#goOn())
    const fail = (error: unknown) => {
      this.#failure = error
    }
    socket.on('error', fail)
    if (transport !== socket) transport.on('error', fail)
    socket.on('close', () => this.#closed())
  }

  gap(bytes: number): number {
    // TLS moves everything anyway.
    return this.#socket instanceof TLSSocket
      ? 0
      : (ALIGNED_BYTES - ((sentBytes + bytes) % ALIGNED_BYTES)) % ALIGNED_BYTES
  }

  send(parts: readonly Uint8Array[]): Promise<void> {
    if (this.#end || this.#state !== 'open') return Promise.reject(this.#end?.reason ?? closed())
    let bytes = 0
    for (const part of parts) bytes += part.length
    if (bytes === 0) return Promise.resolve()
    if (this.#pendingSends >= PENDING_SENDS || (this.#pendingSends > 0 && this.#pendingBytes + bytes > PENDING_BYTES)) {
      this.abort(
        new StorageError('LIMIT_EXCEEDED', 'More was sent than the channel takes; sends must be waited for.', {
          context: { pendingSends: this.#pendingSends, pendingBytes: this.#pendingBytes },
        }),
      )
      return Promise.reject(this.#end!.reason)
    }
    sentBytes = (sentBytes + bytes) % ALIGNED_BYTES
    const isSmall = bytes <= GATHERED_BYTES && this.#socket.writableLength + bytes <= TCP_BUFFERED_BYTES
    if (isSmall && this.#pendingSends === 0) {
      this.#cork()
      this.#socket.write(Buffer.concat(parts, bytes))
      return Promise.resolve()
    }
    this.#pendingSends++
    this.#pendingBytes += bytes
    return new Promise((resolve, reject) => {
      this.#write(gather(parts), (error) => {
        this.#pendingSends--
        this.#pendingBytes -= bytes
        // TLS reports writes as done that it dropped when it was reset.
        if (this.#end) reject(this.#end.reason ?? closed())
        else if (error) reject(lost(error))
        else resolve()
      })
    })
  }

  receive(handler: (bytes: Uint8Array) => Promise<void> | void): void {
    this.#intake.receive(handler)
  }

  async close(): Promise<void> {
    this.#endSending()
    await this.ended
  }

  abort(reason: unknown): void {
    this.#finish(reason ?? new StorageError('ABORTED'))
  }

  /** Writes the pieces; calls back when none is read any more. */
  #write(pieces: readonly Uint8Array[], written: (error?: Error | null) => void): void {
    const isTls = this.#socket instanceof TLSSocket
    // TLS copies all that is written together before it encrypts, so there large pieces go one by one.
    if (isTls) this.#uncork()
    else this.#cork()
    const list = isTls ? cut(pieces, TLS_WRITE_BYTES) : pieces
    for (const [index, piece] of list.entries()) {
      if (index === list.length - 1) this.#socket.write(piece, written)
      else this.#socket.write(piece)
    }
  }

  /** What is written until this turn ends leaves in one system call. */
  #cork(): void {
    if (this.#socket.writableCorked > 0) return
    this.#socket.cork()
    process.nextTick(() => this.#uncork())
  }

  #uncork(): void {
    if (this.#socket.writableCorked > 0) this.#socket.uncork()
  }

  /** When the receiver is done with all that came: reads on, or ends in turn what the peer has ended. */
  #goOn(): void {
    // A FIN behind the last bytes is reported although reading is paused.
    if (!this.#intake.isIdle) return
    if (this.#isClosed) this.#closed()
    else if (this.#socket.readableEnded) this.#endSending()
    else this.#intake.resume()
  }

  #endSending(): void {
    if (this.#end || this.#state !== 'open') return
    this.#state = 'closing'
    // A FIN, after all that was written.
    this.#socket.end()
  }

  #closed(): void {
    this.#isClosed = true
    const isOrderly = this.#socket.readableEnded && this.#socket.writableFinished && this.#failure === undefined
    if (!isOrderly) this.#finish(lost(this.#failure))
    else if (this.#intake.isIdle) this.#finish(undefined)
  }

  #finish(reason: unknown): void {
    if (this.#end) return
    this.#end = { reason }
    this.#intake.stop()
    if (reason !== undefined) this.#cut()
    this.#settle(reason)
  }

  /** Ends the connection so that the peer sees a reset: destroying a socket sends a FIN, which is how one closes in order. */
  #cut(): void {
    try {
      // TLS over it follows by itself. Node 20 crashes when it is destroyed in the same turn with a write under way.
      this.#transport.resetAndDestroy()
    } catch {
      // No TCP handle: a pipe, or TLS whose transport is not at hand.
      this.#transport.destroy()
    }
  }
}

/** Small neighbours copied together, so that a list of thousands costs no write each. */
function gather(parts: readonly Uint8Array[]): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let index = 0; index < parts.length; ) {
    let end = index
    let bytes = 0
    while (end < parts.length && bytes + parts[end]!.length <= GATHERED_BYTES) bytes += parts[end++]!.length
    if (end - index > 1) pieces.push(Buffer.concat(parts.slice(index, end), bytes))
    else end = pieces.push(parts[index]!) && index + 1
    index = end
  }
  return pieces
}

function cut(pieces: readonly Uint8Array[], largest: number): Uint8Array[] {
  return pieces.flatMap((piece) =>
    Array.from({ length: Math.ceil(piece.length / largest) }, (_, index) =>
      piece.subarray(index * largest, (index + 1) * largest),
    ),
  )
}

/** Undefined before TLS 1.3, whose exporters do not bind without a further extension (RFC 9266 section 4.2). */
function sessionBinding(socket: Socket): Uint8Array | undefined {
  if (!(socket instanceof TLSSocket) || socket.getProtocol() !== 'TLSv1.3') return undefined
  return new Uint8Array(socket.exportKeyingMaterial(32, EXPORTER_LABEL, Buffer.alloc(0)))
}

function lost(cause: unknown): StorageError {
  return new StorageError('PEER_LOST', undefined, { cause })
}

function closed(): StorageError {
  return new StorageError('CLOSED', 'The channel was closed.')
}
