import { throwIfAborted } from '../async/abort.ts'
import { abortable } from '../async/abort-watch.ts'
import { type Clock, systemClock } from '../async/clock.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Channel } from './channel.ts'
import { EarlyRequests } from './early-requests.ts'
import { encodeFrame, type Frame, type FrameAddress } from './frame.ts'
import { FrameDecoder } from './frame-decoder.ts'
import { CLOSE_MS, LARGEST_PAYLOAD_BYTES, PENDING_REQUESTS, REQUEST_BYTES } from './limits.ts'
import type { AckRange } from './packets/acks.ts'
import { isOptionalCommand, isOwnCommand } from './packets/commands.ts'
import type { EncodedPacket } from './packets/encoded-packet.ts'
import { decodePacket, encodePacket, isKnownCommand, isResponse, type Packet } from './packets/packet.ts'
import { PayloadPool } from './payload-pool.ts'
import { PendingRequests } from './pending-requests.ts'
import { requestCost } from './request-cost.ts'
import { SendQueue } from './send-queue.ts'
import { SendWindow } from './send-window.ts'
import { WorkLoad } from './work-load.ts'

/**
 * Handles the requests of one device, in the order they came. The bytes in a packet are borrowed until the returned promise settles. What it
 * throws ends the connection: a request that merely fails is answered.
 */
export type RequestHandler = (packet: Packet, id: number) => Promise<void> | void

/** How packets go out. */
export interface SendOptions {
  /** Passes everything that waits and is not urgent; over the first lane, all else over the last. Default: false. */
  urgent?: boolean
  /** Ends every wait with `ABORTED`. What has not left then does not leave; who lends data gets it back when the channel reads it no more, or is cut after `CLOSE_MS`. */
  signal?: AbortSignal
  /** Called when a request need not wait for the window any more, and told whether it had to. */
  departs?: (waited: boolean) => void
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
  clock?: Clock
  /** The peer has yet to say who it is: until {@link ProtocolRW.prove}, little of what it sends is kept. Default: false. */
  unproven?: boolean
  /** What the peer is told when the connection is ended because of it. Default: nothing. */
  lastWords?: (reason: unknown) => Packet
}

interface ArrivedRequest {
  readonly dev: number
  readonly packet: Packet
  readonly id: number
  readonly cost: number
  /** The bytes that the packet is a view of. */
  readonly payload: Uint8Array
  readonly over?: () => void
}

/**
 * Requests and answers of several devices over one connection of one or more lanes, in both directions.
 *
 * Packets of one lane are handed to the handlers in the order they came; between lanes there is no order. While the requests being handled
 * cost more than `HANDLED_BYTES`, nothing more is read. When a lane ends or the peer breaks the format, all lanes end, and
 * everything that waits rejects with the reason, `PEER_LOST` where the peer just went away.
 */
export class ProtocolRW {
  /** Resolves, never rejects, when the connection has ended: with undefined after {@link close} on either side, else with the reason. */
  readonly ended: Promise<unknown>
  readonly clock: Clock
  /** Resolves when the last words of {@link fail} have been said, or could not be. */
  left: Promise<void> = Promise.resolve()
  readonly #lanes: readonly Channel[]
  readonly #queues: readonly SendQueue[]
  readonly #decoders: FrameDecoder[] = []
  #isGuarded = false
  readonly #options: ProtocolOptions
  readonly #pending: PendingRequests
  readonly #handlers = new Map<number, RequestHandler>()
  readonly #window: SendWindow
  readonly #load: WorkLoad
  readonly #pool = new PayloadPool()
  readonly #early = new EarlyRequests<ArrivedRequest>()
  #largestPayload = LARGEST_PAYLOAD_BYTES
  #resolveEnded!: (reason: unknown) => void
  #end: { readonly reason: unknown } | undefined

  /** `lanes`: at least one; the first takes urgent packets, the last all others. */
  constructor(lanes: readonly Channel[], options: ProtocolOptions) {
    this.#lanes = lanes
    this.#options = options
    this.#pending = new PendingRequests(options.lastId === undefined ? {} : { lastId: options.lastId })
    this.clock = options.clock ?? systemClock
    this.#window = new SendWindow(this.clock, this.preferredBytes)
    this.#load = new WorkLoad(!options.unproven)
    this.#queues = lanes.map((lane) => new SendQueue(lane, this.clock, { pads: options.dialect !== 'silo' }))
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    for (const lane of lanes) {
      const takesMark = options.dialect !== 'silo'
      const decoder = new FrameDecoder(options.largestPayloadBytes, this.#pool, { takesMark })
      this.#decoders.push(decoder)
      if (lane.receiveInto) {
        const onFrame = (frame: Frame) => this.#dispatch(frame)
        const filled = (bytes: number) => this.#read(() => decoder.filled(bytes, onFrame))
        lane.receiveInto({ room: () => decoder.room(), filled })
      } else {
        lane.receive((slice) => this.#read(() => this.#readSlice(slice, decoder, lane)))
      }
      void lane.ended.then((reason) => this.#laneEnded(decoder, reason))
    }
  }

  get dialect(): Dialect {
    return this.#options.dialect
  }

  /** Says who handles the requests of a device, those included that came already; replaces who did before. */
  handle(dev: number, handler: RequestHandler): void {
    this.#handlers.set(dev, handler)
    for (const request of this.#early.take(dev)) {
      this.#load.remove(request.payload.length)
      this.#load.run(request.cost, () => this.#work(handler, request))
    }
  }

  /** Nobody handles the requests of a device any more: those that come wait for who does next. */
  unhandle(dev: number): void {
    this.#handlers.delete(dev)
  }

  /** The peer has said who it is. */
  prove(): void {
    this.#load.prove()
  }

  /** Both sides guard the heads of their frames, from the next one on. */
  guard(): void {
    this.#isGuarded = true
    for (const queue of this.#queues) queue.guard()
    for (const decoder of this.#decoders) decoder.expectGuard()
  }

  /** Bytes of requests that the peer lets us have unanswered; requests wait while it is used up, urgent ones do not. */
  limitWindow(bytes: number): void {
    this.#window.limit = bytes
  }

  /** Largest payload that the peer takes. */
  get largestPayloadBytes(): number {
    return this.#largestPayload
  }

  /** Bytes of one request that serve the channel best. */
  get preferredBytes(): number {
    return Math.max(REQUEST_BYTES, this.#lanes.at(-1)!.preferredBytes ?? 0)
  }

  /** Bytes of one request now: no request under way lets pass what the peer waits for, so long ones are for fast links. */
  get requestBytes(): number {
    return this.#window.wantsShort ? REQUEST_BYTES : this.preferredBytes
  }

  /** The peer waits for something that is about to be sent: for a while, as little as possible lies before it. */
  hurry(): void {
    this.#window.hurry()
  }

  limitPayload(bytes: number): void {
    this.#largestPayload = Math.min(bytes, LARGEST_PAYLOAD_BYTES)
  }

  /** Bytes of requests that may be unanswered now, as the link and the peer have it. */
  get windowBytes(): number {
    return this.#window.bytes
  }

  /** When something came from the peer last is told to this function. */
  onArrival: (() => void) | undefined

  /** Sends a request and resolves with its answer. Data in the packet is borrowed until then. */
  async request(dev: number, packet: Packet, options: SendOptions = {}): Promise<Packet> {
    throwIfAborted(options.signal)
    const encoded = encodePacket(packet)
    const bytes = options.urgent ? 0 : encoded.head.length + (encoded.data?.length ?? 0)
    const taken = bytes > 0 ? this.#window.acquire(bytes, options.signal) : undefined
    const waited = taken instanceof Promise
    const credit = waited ? await taken : taken
    options.departs?.(waited)
    let id = 0
    let isAnswered = false
    try {
      const opened = this.#pending.open(dev)
      id = opened.id
      opened.answer.catch(() => {}) // Awaited below, unless sending fails first.
      await this.#push({ dev, id }, encoded, options)
      const answer = await abortable(opened.answer, options.signal)
      isAnswered = true
      return answer
    } finally {
      this.#pending.forget(id)
      if (credit) this.#window.release(credit, isAnswered)
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

  /** Ends the connection at once; the peer sees that it is gone. */
  abort(reason: unknown): void {
    this.#finish(reason, reason)
    for (const lane of this.#lanes) lane.abort(reason)
  }

  /** Ends the connection because of the peer, or of what was asked here: as {@link abort}, after telling it why, where the dialect can. */
  fail(reason: unknown): void {
    const { lastWords } = this.#options
    // The first reason is the one to tell; it may be on its way.
    if (this.#end) return
    if (!lastWords) {
      this.abort(reason)
      return
    }
    const id = this.#pending.nextId()
    this.#finish(reason, reason)
    const words = encodeFrame({ dev: 0, id }, encodePacket(lastWords(reason)), this.#isGuarded)
    this.left = this.#leave([...this.#queues[0]!.takeMark(), ...words], reason)
  }

  /** Sends the last words behind what the channels have taken; a peer that does not take them in time is cut off. */
  async #leave(words: readonly Uint8Array[], reason: unknown): Promise<void> {
    const over = new AbortController()
    const cut = this.clock.sleep(CLOSE_MS, over.signal)
    // Ends that were not in order are no news any more.
    const left = this.#lanes[0]!.send(words).then(() => Promise.all(this.#lanes.map((lane) => lane.close())))
    await Promise.race([left, cut]).catch(() => {})
    over.abort()
    for (const lane of this.#lanes) lane.abort(reason)
  }

  #push(address: FrameAddress, packet: EncodedPacket, options: SendOptions): Promise<void> {
    if (this.#end) return Promise.reject(this.#end.reason)
    const urgent = options.urgent ?? false
    const queue = urgent ? this.#queues[0]! : this.#queues.at(-1)!
    if (queue.isFull) {
      // Answers that were dropped would leave the peer waiting for ever.
      const error = new StorageError('LIMIT_EXCEEDED', 'The peer does not take what is sent to it.')
      this.abort(error)
      return Promise.reject(error)
    }
    const borrows = packet.data !== undefined && packet.data.length > 0
    return queue.push(encodeFrame(address, packet, this.#isGuarded), { urgent, borrows, signal: options.signal })
  }

  /** Handles the frames that end in what came; a returned promise holds the lane back until there is room again. */
  #read(decode: () => void): Promise<void> | void {
    if (this.#end) return
    this.onArrival?.()
    try {
      decode()
    } catch (error) {
      this.fail(error)
    }
    return this.#load.room()
  }

  /** Gives the slice back when nobody looks at any frame in it any more; what the decoder keeps of it is a copy. */
  #readSlice(slice: Uint8Array, decoder: FrameDecoder, lane: Channel): void {
    let users = 1
    const over = () => {
      users--
      if (users === 0) lane.giveBack?.(slice)
    }
    decoder.push(slice, (frame) => {
      if (frame.payload.buffer !== slice.buffer) return this.#dispatch(frame)
      users++
      this.#dispatch(frame, over)
    })
    over()
  }

  /** `over` is called when nobody looks at the payload any more: never for what may be kept. */
  #dispatch({ dev, id, payload }: Frame, over?: () => void): void {
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
    if (packet.kind === 'padding') over?.()
    else if (packet.kind === 'acks') {
      this.#settleAll(dev, packet.ranges)
      over?.()
    }
    // Late answers to requests that were given up are no fault of the peer.
    else if (isResponse(packet)) this.#pending.settle(dev, id, packet)
    else {
      const cost = requestCost(packet, payload.length)
      const handler = this.#handlers.get(dev)
      // Of other requests some parts may be kept, a nonce or a digest; and only writes are large.
      const isWrite = BULK.has(packet.kind)
      const request = { dev, packet, id, cost, payload, ...(over && isWrite ? { over } : {}) }
      if (handler) this.#load.run(cost, () => this.#work(handler, request))
      else this.#keepEarly(request)
    }
  }

  #keepEarly(request: ArrivedRequest): void {
    this.#early.add(request)
    // What it may grow to is counted when it is handled.
    this.#load.add(request.payload.length)
  }

  #settleAll(dev: number, ranges: readonly AckRange[]): void {
    let count = 0
    for (const range of ranges) count += range.count
    if (count > PENDING_REQUESTS) throw new StorageError('MALFORMED', 'The peer acknowledged what was never asked.')
    for (const range of ranges) this.#pending.settleRange(dev, range, { kind: 'acks', ranges })
  }

  /** Its cost has been added to the load, and is taken off when it has ended; nobody looks at its bytes then. */
  #work(handler: RequestHandler, { packet, id, cost, payload, over }: ArrivedRequest): void {
    const done = () => {
      this.#load.remove(cost)
      this.#pool.give(payload)
      over?.()
    }
    let working: Promise<void> | void
    try {
      working = handler(packet, id)
    } catch (error) {
      this.fail(error)
      return
    }
    if (!working) done()
    else working.catch((error: unknown) => this.fail(error)).finally(done)
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
    this.#early.clear()
    for (const queue of this.#queues) if (ended !== undefined) queue.stop(reason)
    this.#load.stop()
    this.#resolveEnded(ended)
  }
}

/** Large requests of which nothing is kept when they have been handled. */
const BULK: ReadonlySet<Packet['kind']> = new Set(['write-at', 'write-newer', 'write-checked', 'write-patch'])
