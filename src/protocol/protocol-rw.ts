import { throwIfAborted } from '../async/abort.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Channel } from './channel.ts'
import { encodeFrame, type Frame, type FrameAddress } from './frame.ts'
import { FrameDecoder } from './frame-decoder.ts'
import { EARLY_PACKETS, HANDLED_BYTES } from './limits.ts'
import type { AckRange } from './packets/acks.ts'
import { isOptionalCommand, isOwnCommand } from './packets/commands.ts'
import type { EncodedPacket } from './packets/encoded-packet.ts'
import { decodePacket, encodePacket, isKnownCommand, isResponse, type Packet } from './packets/packet.ts'
import { PendingRequests } from './pending-requests.ts'
import { SendQueue } from './send-queue.ts'
import { SendWindow } from './send-window.ts'

/** Handles the requests of one device, in the order they came. What it throws ends the connection: a request that merely fails is answered. */
export type RequestHandler = (packet: Packet, id: number) => Promise<void> | void

/** How packets go out. */
export interface SendOptions {
  /** Passes everything that waits and is not urgent; over the first lane, all else over the last. Default: false. */
  urgent?: boolean
  /** Ends the wait for an answer with `ABORTED`. */
  signal?: AbortSignal
}

/** How the bytes of packets are to be understood: byte for byte what a Silo peer knows, or that and our own packets. */
export type Dialect = 'silo' | 'blockferry/1'

/** How a connection speaks. */
export interface ProtocolOptions {
  dialect: Dialect
  /** Largest payload taken, by default the largest there is. */
  largestPayloadBytes?: number
  /** Request number before the first; for tests of the wrap. */
  lastId?: number
}

/**
 * Requests and answers of several devices over one connection of one or more lanes, in both directions.
 *
 * Packets of one lane are handed to the handlers in the order they came; between lanes there is no order. While the requests being handled
 * hold more than `HANDLED_BYTES`, nothing more is read. When a lane ends or the peer breaks the format, all lanes end, and
 * everything that waits rejects with the reason, `PEER_LOST` where the peer just went away.
 */
export class ProtocolRW {
  /** Resolves, never rejects, when the connection has ended: with undefined after {@link close} on either side, else with the reason. */
  readonly ended: Promise<unknown>
  readonly #lanes: readonly Channel[]
  readonly #queues: readonly SendQueue[]
  readonly #options: ProtocolOptions
  readonly #pending: PendingRequests
  readonly #handlers = new Map<number, RequestHandler>()
  /** Requests for devices that nobody handles yet. */
  #early: { readonly dev: number; readonly packet: Packet; readonly id: number; readonly bytes: number }[] = []
  /** Credit that the peer gave; none is counted in dialect `silo`. */
  #window = new SendWindow(Number.POSITIVE_INFINITY)
  #resolveEnded!: (reason: unknown) => void
  #end: { readonly reason: unknown } | undefined
  #handledBytes = 0
  #room: (() => void)[] = []

  /** `lanes`: at least one; the first takes urgent packets, the last all others. */
  constructor(lanes: readonly Channel[], options: ProtocolOptions) {
    this.#lanes = lanes
    this.#options = options
    this.#pending = new PendingRequests(options.lastId)
    this.#queues = lanes.map((lane) => new SendQueue(lane))
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    for (const lane of lanes) {
      const decoder = new FrameDecoder(options.largestPayloadBytes)
      lane.receive((slice) => this.#read(decoder, slice))
      void lane.ended.then((reason) => this.#laneEnded(decoder, reason))
    }
  }

  get dialect(): Dialect {
    return this.#options.dialect
  }

  /** Says who handles the requests of a device, those included that came already; replaces who did before. */
  handle(dev: number, handler: RequestHandler): void {
    this.#handlers.set(dev, handler)
    const early = this.#early
    this.#early = early.filter((request) => request.dev !== dev)
    for (const { packet, id, bytes } of early.filter((request) => request.dev === dev)) {
      this.#handledBytes -= bytes
      this.#work(handler, packet, id, bytes)
    }
  }

  /** Bytes of requests that the peer lets us have unanswered; requests wait while it is used up, urgent ones do not. */
  limitWindow(bytes: number): void {
    this.#window = new SendWindow(bytes)
  }

  /** When something came from the peer last is told to this function. */
  onArrival: (() => void) | undefined

  /** Sends a request and resolves with its answer. Data in the packet is borrowed until then. */
  async request(dev: number, packet: Packet, options: SendOptions = {}): Promise<Packet> {
    throwIfAborted(options.signal)
    const encoded = encodePacket(packet)
    const bytes = options.urgent ? 0 : encoded.head.length + (encoded.data?.length ?? 0)
    const window = this.#window
    if (bytes > 0) await window.acquire(bytes)
    let id = 0
    try {
      const opened = this.#pending.open(dev)
      id = opened.id
      opened.answer.catch(() => {}) // Awaited below, unless sending fails first.
      await this.#push({ dev, id }, encoded, options)
      return await (options.signal ? abortable(opened.answer, options.signal) : opened.answer)
    } finally {
      this.#pending.forget(id)
      window.release(bytes)
    }
  }

  /** Sends a packet that is not answered; resolves when it is on its way and its data may be reused. */
  post(dev: number, packet: Packet, options: SendOptions = {}): Promise<void> {
    return this.#push({ dev, id: this.#pending.nextId() }, encodePacket(packet), options)
  }

  /** Answers a request. */
  respond(dev: number, id: number, packet: Packet, options: SendOptions = {}): Promise<void> {
    return this.#push({ dev, id }, encodePacket(packet), options)
  }

  /** Ends the connection in order: what was sent before arrives. Requests still unanswered reject with `CLOSED`. */
  async close(): Promise<void> {
    this.#finish(undefined, new StorageError('CLOSED', 'The connection was closed.'))
    await Promise.all(this.#lanes.map((lane) => lane.close()))
  }

  /** Ends the connection at once. */
  abort(reason: unknown): void {
    this.#finish(reason, reason)
    for (const lane of this.#lanes) lane.abort(reason)
  }

  #push(address: FrameAddress, packet: EncodedPacket, options: SendOptions): Promise<void> {
    if (this.#end) return Promise.reject(this.#end.reason)
    const urgent = options.urgent ?? false
    const queue = urgent ? this.#queues[0]! : this.#queues.at(-1)!
    return queue.push(encodeFrame(address, packet), { urgent })
  }

  /** Handles what ends in a slice; a returned promise holds the lane back until there is room again. */
  #read(decoder: FrameDecoder, slice: Uint8Array): Promise<void> | void {
    this.onArrival?.()
    decoder.push(slice, (frame) => this.#dispatch(frame))
    if (this.#handledBytes > HANDLED_BYTES) return this.#untilRoom()
  }

  #dispatch({ dev, id, payload }: Frame): void {
    // What comes behind the end of a connection is nobody's any more.
    if (this.#end) return
    const command = payload[0]!
    if (isOwnCommand(command)) {
      if (this.#options.dialect === 'silo') throw new StorageError('MALFORMED', 'The peer speaks another dialect.')
      if (isOptionalCommand(command) && !isKnownCommand(command)) return
      if (!isKnownCommand(command)) {
        throw new StorageError('INCOMPATIBLE', `The peer sent a packet ${command} that this version does not know.`)
      }
    }
    const packet = decodePacket(payload)
    if (packet.kind === 'acks') this.#settleAll(dev, packet.ranges)
    // Late answers to requests that were given up are no fault of the peer.
    else if (isResponse(packet)) this.#pending.settle(dev, id, packet)
    else {
      const handler = this.#handlers.get(dev)
      if (handler) this.#work(handler, packet, id, payload.length)
      else this.#keepEarly(dev, packet, id, payload.length)
    }
  }

  #keepEarly(dev: number, packet: Packet, id: number, bytes: number): void {
    if (this.#early.length >= EARLY_PACKETS) {
      throw new StorageError(
        'LIMIT_EXCEEDED',
        `The peer sent too much for devices like ${dev}, which nobody has set up.`,
      )
    }
    this.#handledBytes += bytes
    this.#early.push({ dev, packet, id, bytes })
  }

  #settleAll(dev: number, ranges: readonly AckRange[]): void {
    for (const { firstId, count } of ranges) {
      // No more than are waiting can be meant.
      if (count > this.#pending.size) throw new StorageError('MALFORMED', 'The peer acknowledged what was never asked.')
      for (let id = firstId; id < firstId + count; id++) this.#pending.settle(dev, id, { kind: 'acks', ranges })
    }
  }

  #work(handler: RequestHandler, packet: Packet, id: number, bytes: number): void {
    let working: Promise<void> | void
    try {
      working = handler(packet, id)
    } catch (error) {
      this.abort(error)
      return
    }
    if (!working) return
    this.#handledBytes += bytes
    working
      .catch((error: unknown) => this.abort(error))
      .finally(() => {
        this.#handledBytes -= bytes
        if (this.#handledBytes <= HANDLED_BYTES) for (const go of this.#room.splice(0)) go()
      })
  }

  async #untilRoom(): Promise<void> {
    while (this.#handledBytes > HANDLED_BYTES && !this.#end) await new Promise<void>((go) => this.#room.push(go))
  }

  #laneEnded(decoder: FrameDecoder, reason: unknown): void {
    if (this.#end) return
    let failure = reason
    try {
      if (failure === undefined) decoder.end()
    } catch (error) {
      failure = error
    }
    this.#finish(failure, failure ?? new StorageError('PEER_LOST', 'The peer closed the connection.'))
    for (const lane of this.#lanes) {
      if (failure === undefined) void lane.close()
      else lane.abort(failure)
    }
  }

  #finish(ended: unknown, reason: unknown): void {
    if (this.#end) return
    this.#end = { reason }
    this.#pending.stop(reason)
    this.#window.stop(reason)
    this.#early = []
    for (const queue of this.#queues) if (ended !== undefined) queue.stop(reason)
    for (const go of this.#room.splice(0)) go()
    this.#resolveEnded(ended)
  }
}

function abortable<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new StorageError('ABORTED', undefined, { cause: signal.reason }))
    signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
