import type { Socket } from 'node:net'
import type { Clock } from '../../async/clock.ts'
import { BATCH_BYTES, CLOSE_TIMEOUT_MS } from './limits.ts'
import type { Wire } from './wire.ts'

/** What a {@link SocketWire} calls. */
export interface SocketWireEvents {
  /** Bytes came; they stay valid. */
  received(bytes: Uint8Array): void
  /** The system took bytes. */
  drained(): void
  /** The client sends no more: it ended its side, or the socket is gone. */
  peerEnded(): void
  /** The socket is closed; called once. */
  closed(error: Error | undefined): void
}

/** A socket of Node as a {@link Wire}. */
export class SocketWire implements Wire {
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #gone = new AbortController()
  #corked = false
  #error: Error | undefined

  constructor(socket: Socket, clock: Clock, events: SocketWireEvents) {
    this.#socket = socket
    this.#clock = clock
    socket.on('data', (bytes) => events.received(bytes))
    socket.on('drain', () => events.drained())
    socket.on('end', () => events.peerEnded())
    socket.on('error', (error) => {
      this.#error = error
    })
    socket.on('close', () => {
      this.#gone.abort()
      events.peerEnded()
      events.closed(this.#error)
    })
  }

  get unsent(): number {
    return this.#socket.writableLength
  }

  /** Small messages leave together at the end of the turn, in one system call; a large one takes those before it along. */
  send(parts: readonly Uint8Array[], sent?: () => void): void {
    const socket = this.#socket
    if (!this.#corked) {
      this.#corked = true
      socket.cork()
      process.nextTick(this.#uncork)
    }
    let bytes = 0
    for (let index = 0; index < parts.length; index++) {
      bytes += parts[index]!.length
      if (sent && index === parts.length - 1) socket.write(parts[index]!, sent)
      else socket.write(parts[index]!)
    }
    if (bytes >= BATCH_BYTES) this.#uncork()
  }

  setReading(reading: boolean): void {
    if (reading === !this.#socket.isPaused()) return
    if (reading) this.#socket.resume()
    else this.#socket.pause()
  }

  /** Once everything sent is through; a client that does not take it is cut off after `CLOSE_TIMEOUT_MS`. */
  end(): void {
    this.#uncork()
    // What the client still sends is read and dropped, so that the system sees its end and no reset takes our last answers away.
    this.#socket.resume()
    this.#socket.end()
    this.#clock.sleep(CLOSE_TIMEOUT_MS, this.#gone.signal).then(
      () => this.destroy(),
      () => {},
    )
  }

  destroy(): void {
    this.#socket.destroy()
  }

  readonly #uncork = (): void => {
    if (!this.#corked) return
    this.#corked = false
    this.#socket.uncork()
  }
}
