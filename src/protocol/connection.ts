import { type Clock, systemClock } from '../async/clock.ts'
import { errorCode, StorageError } from '../errors/storage-error.ts'
import type { Channel } from './channel.ts'
import { HELLO_MS, LARGEST_PAYLOAD_BYTES, LOST_AFTER_MS, PING_AFTER_MS, WINDOW_BYTES } from './limits.ts'
import { encodeHello, type Hello } from './packets/hello.ts'
import type { Packet } from './packets/packet.ts'
import { failureOf, peerError } from './peer-error.ts'
import { type Dialect, ProtocolRW } from './protocol-rw.ts'
import { type ConnectionRole, createNonce, proveSecret, sameProof } from './secret-proof.ts'

/** The device number of everything that is about the connection itself. */
export const CONTROL_DEVICE = 0

/** The version of `blockferry/1` that this code speaks. */
export const PROTOCOL_VERSION = 1

/** How a connection is set up. */
export interface ConnectionOptions {
  /** Agreed before any byte of ours: WebSocket subprotocol, data channel protocol, or by the command line. Default: `blockferry/1`. */
  dialect?: Dialect
  /** Whether this side called or was called. */
  role: ConnectionRole
  /** At least 16 bytes that the peer must know too. Without one, a peer that insists on one is refused. Not for dialect `silo`. */
  secret?: Uint8Array
  clock?: Clock
}

/** A connection whose peer is who it should be. */
export interface Connection {
  readonly rw: ProtocolRW
  readonly dialect: Dialect
  /** Ends it in order, or, with an error, tells the peer why first. */
  close(error?: unknown): Promise<void>
}

/**
 * Agrees with the peer on version, limits and secret, and watches that it stays alive. Dialect `silo` knows none of that: there the
 * connection is just made.
 * @throws StorageError `INCOMPATIBLE`, `UNAUTHORIZED`, `PEER_LOST`, `MALFORMED`; the lanes are ended then.
 */
export async function openConnection(lanes: readonly Channel[], options: ConnectionOptions): Promise<Connection> {
  const { dialect = 'blockferry/1', clock = systemClock } = options
  const rw = new ProtocolRW(lanes, { dialect })
  const close = async (error?: unknown) => {
    if (error !== undefined && dialect !== 'silo') {
      // Told if it can be; the connection ends either way.
      await rw.post(CONTROL_DEVICE, { kind: 'farewell', ...failureOf(error) }, { urgent: true }).catch(() => {})
    }
    await rw.close()
  }
  if (dialect === 'silo') return { rw, dialect, close }
  const handshake = new Handshake(rw, lanes[0]!, options)
  try {
    await within(handshake.run(), HELLO_MS, clock)
  } catch (error) {
    await close(error)
    rw.abort(error)
    throw error
  }
  watchPeer(rw, clock)
  return { rw, dialect, close }
}

/** Hello and proof in both directions. */
class Handshake {
  readonly #rw: ProtocolRW
  readonly #lane: Channel
  readonly #options: ConnectionOptions
  readonly #theirs: Promise<Hello>
  readonly #proof: Promise<Uint8Array>

  constructor(rw: ProtocolRW, lane: Channel, options: ConnectionOptions) {
    this.#rw = rw
    this.#lane = lane
    this.#options = options
    let hello: ((packet: Hello) => void) | undefined
    let proof: ((mac: Uint8Array) => void) | undefined
    const ended = rw.ended.then((reason): never => {
      throw reason ?? new StorageError('PEER_LOST', 'The peer closed the connection before it said who it is.')
    })
    this.#theirs = Promise.race([new Promise<Hello>((resolve) => (hello = resolve)), ended])
    this.#proof = Promise.race([new Promise<Uint8Array>((resolve) => (proof = resolve)), ended])
    this.#theirs.catch(() => {}) // Thrown where it is awaited.
    this.#proof.catch(() => {})
    rw.handle(CONTROL_DEVICE, (packet, id) => {
      if (packet.kind === 'hello' && hello) {
        hello(packet)
        hello = undefined
      } else if (packet.kind === 'proof' && proof) {
        proof(packet.mac)
        proof = undefined
      } else return control(rw, packet, id)
    })
  }

  async run(): Promise<void> {
    const { secret, role } = this.#options
    const ours: Hello = {
      kind: 'hello',
      version: PROTOCOL_VERSION,
      required: 0,
      offered: 0,
      largestPayload: LARGEST_PAYLOAD_BYTES,
      window: WINDOW_BYTES,
      hasSecret: secret !== undefined,
      nonce: createNonce(),
    }
    // A lane that has ended says so through `ended`, with the better reason.
    await this.#rw.post(CONTROL_DEVICE, ours, { urgent: true }).catch(() => {})
    const theirs = await this.#theirs
    if (theirs.version < PROTOCOL_VERSION || (theirs.required & ~ours.offered) !== 0) {
      throw new StorageError('INCOMPATIBLE', undefined, {
        context: { version: theirs.version, required: theirs.required },
      })
    }
    if (theirs.hasSecret !== ours.hasSecret) {
      throw new StorageError('UNAUTHORIZED', 'Only one of the two sides has a secret.')
    }
    this.#rw.limitWindow(Math.max(1, theirs.window))
    if (!secret) return
    const [dialerHello, listenerHello] = role === 'dialer' ? [ours, theirs] : [theirs, ours]
    const context = {
      dialerHello: encodeHello(dialerHello).head,
      listenerHello: encodeHello(listenerHello).head,
      binding: this.#lane.binding ?? new Uint8Array(0),
    }
    const mac = await proveSecret(secret, { ...context, role })
    const expected = await proveSecret(secret, { ...context, role: role === 'dialer' ? 'listener' : 'dialer' })
    await this.#rw.post(CONTROL_DEVICE, { kind: 'proof', mac }, { urgent: true }).catch(() => {})
    if (!sameProof(expected, await this.#proof)) throw new StorageError('UNAUTHORIZED')
  }
}

/** What a side answers on the control device once it is set up. */
function control(rw: ProtocolRW, packet: Packet, id: number): Promise<void> | void {
  if (packet.kind === 'ping')
    return rw.respond(CONTROL_DEVICE, id, { kind: 'ping-response' }, { urgent: true }).catch(() => {})
  if (packet.kind === 'farewell') throw peerError(packet, 'PEER_LOST')
  throw new StorageError('MALFORMED', `The peer sent a ${packet.kind} where none belongs.`)
}

/** Asks after a silence whether the peer is there, and ends the connection after a long one. */
function watchPeer(rw: ProtocolRW, clock: Clock): void {
  let heardAt = clock.now()
  rw.onArrival = () => {
    heardAt = clock.now()
  }
  const stop = new AbortController()
  void rw.ended.then(() => stop.abort())
  const watch = async () => {
    for (;;) {
      await clock.sleep(PING_AFTER_MS, stop.signal)
      const silentMs = clock.now() - heardAt
      if (silentMs >= LOST_AFTER_MS) rw.abort(new StorageError('PEER_LOST', 'The peer has been silent for too long.'))
      else if (silentMs >= PING_AFTER_MS) rw.request(CONTROL_DEVICE, { kind: 'ping' }, { urgent: true }).catch(() => {})
    }
  }
  watch().catch((error: unknown) => {
    if (errorCode(error) !== 'ABORTED') rw.abort(error)
  })
}

async function within<Value>(work: Promise<Value>, ms: number, clock: Clock): Promise<Value> {
  const stop = new AbortController()
  const late = clock.sleep(ms, stop.signal).then((): never => {
    throw new StorageError('PEER_LOST', 'The peer does not answer.')
  })
  late.catch(() => {}) // Stopped, or thrown by the race.
  try {
    return await Promise.race([work, late])
  } finally {
    stop.abort()
  }
}
