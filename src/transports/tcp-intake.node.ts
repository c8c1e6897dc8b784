import type { Socket } from 'node:net'
import type { ByteSink } from '../protocol/channel.ts'
import { Inbox } from './inbox.ts'
import { TCP_READ_BYTES } from './limits.ts'

/** What an {@link Intake} tells the channel it belongs to. */
export interface IntakeEvents {
  /** The receiver is done with all that came. */
  emptied(): void
  /** The receiver threw or rejected; it is called no more. */
  failed(reason: unknown): void
}

/** How the bytes of a socket come to their receiver. Reads nothing before there is one, so that what comes early holds the peer back. */
export interface Intake {
  /** Whether the receiver has taken all that came. */
  readonly isIdle: boolean
  receive(handler: (bytes: Uint8Array) => Promise<void> | void): void
  receiveInto?(sink: ByteSink): void
  /** Reads on where the receiver was waited for. */
  resume(): void
  /** The receiver is not called again. */
  stop(): void
}

/** Takes the buffers that Node allocates for each read: all there is over TLS. */
export class SliceIntake implements Intake {
  readonly #socket: Socket
  readonly #inbox: Inbox
  #isPaused = false

  constructor(socket: Socket, events: IntakeEvents) {
    this.#socket = socket
    this.#inbox = new Inbox({ taken: () => {}, emptied: () => events.emptied(), failed: events.failed })
  }

  get isIdle(): boolean {
    return this.#inbox.isIdle
  }

  receive(handler: (bytes: Uint8Array) => Promise<void> | void): void {
    this.#inbox.receive(handler)
    this.#socket.on('data', (bytes) => {
      this.#inbox.push(bytes)
      if (this.#inbox.isIdle) return
      this.#isPaused = true
      this.#socket.pause()
    })
    this.#socket.resume()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#socket.resume()
  }

  stop(): void {
    this.#inbox.stop()
  }
}

/**
 * Has the socket read straight into memory of the receiver. The first byte is read before there is one, so that the end of a peer is noticed,
 * and held back until then.
 */
export class DirectIntake implements Intake {
  #socket: Socket | undefined
  #events: IntakeEvents | undefined
  #sink: ByteSink | undefined
  #state: 'reading' | 'waiting' | 'stopped' = 'reading'
  readonly #first = new Uint8Array(1)
  #hasFirst = false
  /** Where the next read goes, once the socket asks ... */
  #room: Uint8Array = this.#first
  /** ... and where it goes until then: a socket asks only after it has read. */
  #lent: Uint8Array = this.#first
  /** What the socket is to be made with. */
  readonly onread = {
    buffer: () => {
      this.#lent = this.#room
      return this.#lent
    },
    callback: (bytes: number) => this.#came(bytes),
  }

  attach(socket: Socket, events: IntakeEvents): void {
    this.#socket = socket
    this.#events = events
  }

  get isIdle(): boolean {
    return this.#state === 'reading' && !this.#hasFirst
  }

  receive(handler: (bytes: Uint8Array) => Promise<void> | void): void {
    this.receiveInto(new Slices(handler))
  }

  receiveInto(sink: ByteSink): void {
    if (this.#sink) throw new TypeError('"receive" is called once per channel')
    this.#sink = sink
    // In a turn of its own, as whatever else comes.
    if (this.#hasFirst) process.nextTick(() => this.#came(1) && this.#events!.emptied())
  }

  resume(): void {
    if (this.#state === 'reading') this.#socket!.resume()
  }

  stop(): void {
    this.#state = 'stopped'
  }

  /** False keeps the socket from reading on. */
  #came(bytes: number): boolean {
    if (this.#isStopped()) return false
    const sink = this.#sink
    if (!sink) {
      this.#hasFirst = true
      return false
    }
    this.#hasFirst = false
    try {
      if (this.#lent === this.#first) sink.room()[0] = this.#first[0]!
      const working = sink.filled(bytes)
      // Asked here, where what it throws is caught.
      this.#room = sink.room()
      if (!working) return !this.#isStopped()
      this.#state = 'waiting'
      working.then(() => this.#goOn(), this.#fail)
    } catch (error) {
      this.#fail(error)
    }
    return false
  }

  #goOn(): void {
    if (this.#isStopped()) return
    this.#state = 'reading'
    this.#events!.emptied()
  }

  readonly #fail = (reason: unknown): void => {
    if (this.#isStopped()) return
    this.#state = 'stopped'
    this.#events!.failed(reason)
  }

  #isStopped(): boolean {
    return this.#state === 'stopped'
  }
}

/** Buffers for a receiver that keeps what it gets: several reads share one while it lasts. */
class Slices implements ByteSink {
  readonly #handler: (bytes: Uint8Array) => Promise<void> | void
  #buffer = new Uint8Array(0)

  constructor(handler: (bytes: Uint8Array) => Promise<void> | void) {
    this.#handler = handler
  }

  room(): Uint8Array {
    // Not filled with zeroes first, as a typed array is.
    if (this.#buffer.length < TCP_READ_BYTES / 4) this.#buffer = Buffer.allocUnsafeSlow(TCP_READ_BYTES)
    return this.#buffer
  }

  filled(bytes: number): Promise<void> | void {
    const slice = this.#buffer.subarray(0, bytes)
    this.#buffer = this.#buffer.subarray(bytes)
    return this.#handler(slice)
  }
}
