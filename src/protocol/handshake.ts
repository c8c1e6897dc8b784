import { StorageError } from '../errors/storage-error.ts'
import type { Channel } from './channel.ts'
import { LARGEST_PAYLOAD_BYTES, SMALLEST_PAYLOAD_BYTES, WINDOW_BYTES } from './limits.ts'
import type { Farewell } from './packets/failure.ts'
import { encodeHello, HELLO_BYTES, type Hello } from './packets/hello.ts'
import type { Packet } from './packets/packet.ts'
import { peerError } from './peer-error.ts'
import type { ProtocolRW } from './protocol-rw.ts'
import { type ConnectionRole, createNonce, proveSecret, sameProof } from './secret-proof.ts'

/** The device number of everything that is about the connection itself. */
export const CONTROL_DEVICE = 0

/** The version of `blockferry/1` that this code speaks. */
export const PROTOCOL_VERSION = 1

/**
 * What a side may want or can do, as bits of a hello.
 *
 * `compare`: a peer may come to compare a disk with another by hashes, and maybe to repair it. `guard`: heads of frames carry checksums. `check`: it
 * looks at the tags of blocks before it stores them, see `write-checked`. `patch`: it changes blocks that it has an older copy of, see
 * `write-patch`.
 */
export const FEATURE = { compare: 1, guard: 2, check: 4, patch: 8 } as const

/** What this code does with every peer that does it, too. */
const COMMON_FEATURES = FEATURE.guard | FEATURE.check | FEATURE.patch

/** Who shakes hands. */
export interface HandshakeOptions {
  readonly role: ConnectionRole
  readonly secret?: Uint8Array
  /** Bits of {@link FEATURE} that this side can do. Default: none. */
  readonly offered?: number
  /** Bits that it has come for: a peer that does not offer them is refused. Default: none. */
  readonly required?: number
  /** Bits that this side is not to offer, as if it were older. Default: none. */
  readonly without?: number
}

/** What may come next on the control device. */
type Stage = 'hello' | 'proof' | 'checking' | 'open'

/**
 * Hello and proof in both directions, and what comes on the control device afterwards. Until it is over, nothing the peer asks is done.
 */
export class Handshake {
  readonly #rw: ProtocolRW
  readonly #binding: Uint8Array
  readonly #options: HandshakeOptions
  readonly #ended: Promise<never>
  readonly #theirs: Promise<Hello>
  readonly #proof: Promise<Uint8Array>
  #hello!: (packet: Hello) => void
  #prove!: (mac: Uint8Array) => void
  #stage: Stage = 'hello'
  /** What the peer said last, behind its proof. */
  #farewell: Farewell | undefined
  #session: Uint8Array = new Uint8Array(0)
  #wanted = 0
  #ours: Hello | undefined
  /** What the peer offers, once it has said so. */
  #offered: number | undefined
  #shared = 0

  /** `lanes` must be of one session: the secret is proved over the binding they share. @throws StorageError `UNAUTHORIZED` */
  constructor(rw: ProtocolRW, lanes: readonly Channel[], options: HandshakeOptions) {
    this.#rw = rw
    this.#binding = commonBinding(lanes)
    this.#options = options
    this.#ended = rw.ended.then((reason): never => {
      throw reason ?? new StorageError('PEER_LOST', 'The peer closed the connection before it said who it is.')
    })
    this.#ended.catch(() => {}) // Thrown where it is awaited.
    this.#theirs = new Promise((resolve) => {
      this.#hello = resolve
    })
    this.#proof = new Promise((resolve) => {
      this.#prove = resolve
    })
    rw.handle(CONTROL_DEVICE, (packet, id) => this.#control(packet, id))
  }

  /** The nonces of both sides, the dialer's first: different for every connection. Empty before {@link run} has resolved. */
  get session(): Uint8Array {
    return this.#session
  }

  /** Bits of {@link FEATURE} that the peer has come for. */
  get wanted(): number {
    return this.#wanted
  }

  /** Bits of {@link FEATURE} that both sides offer. */
  get shared(): number {
    return this.#shared
  }

  /** Resolves when the peer is who it should be. @throws StorageError `INCOMPATIBLE`, `UNAUTHORIZED`, or why the connection ended */
  async run(): Promise<void> {
    const { secret, role, offered = 0, required = 0, without = 0 } = this.#options
    const ours: Hello = {
      kind: 'hello',
      version: PROTOCOL_VERSION,
      required,
      offered: (offered | required | COMMON_FEATURES) & ~without,
      largestPayload: LARGEST_PAYLOAD_BYTES,
      window: WINDOW_BYTES,
      hasSecret: secret !== undefined,
      nonce: createNonce(),
    }
    this.#say(ours)
    this.#ours = ours
    this.#agree()
    const theirs = await Promise.race([this.#theirs, this.#ended])
    checkHello(ours, theirs)
    this.#wanted = theirs.required
    this.#rw.limitWindow(theirs.window)
    this.#rw.limitPayload(theirs.largestPayload)
    const [dialerHello, listenerHello] = role === 'dialer' ? [ours, theirs] : [theirs, ours]
    this.#session = Uint8Array.of(...dialerHello.nonce, ...listenerHello.nonce)
    if (secret) {
      const context = {
        dialerHello: encodeHello(dialerHello).head.subarray(0, HELLO_BYTES),
        listenerHello: encodeHello(listenerHello).head.subarray(0, HELLO_BYTES),
        binding: this.#binding,
      }
      const mac = await proveSecret(secret, { ...context, role })
      const expected = await proveSecret(secret, { ...context, role: role === 'dialer' ? 'listener' : 'dialer' })
      this.#say({ kind: 'proof', mac })
      if (!sameProof(expected, await Promise.race([this.#proof, this.#ended]))) throw new StorageError('UNAUTHORIZED')
    }
    if (this.#farewell) throw peerError(this.#farewell, 'PEER_LOST')
    this.#stage = 'open'
    this.#rw.prove()
  }

  /** Whoever it is: who cannot go on may say so, but only who has proved itself anything. */
  #part(farewell: Farewell): void {
    // Right behind a proof that is still being looked at.
    if (this.#stage === 'checking' && this.#options.secret) this.#farewell ??= farewell
    else throw peerError(farewell, 'PEER_LOST', { isStranger: this.#stage !== 'open' && this.#stage !== 'checking' })
  }

  /** As soon as both hellos are there: before anything else is sent, and before the next frame is read. */
  #agree(): void {
    if (!this.#ours || this.#offered === undefined) return
    this.#shared = this.#ours.offered & this.#offered
    if (this.#shared & FEATURE.guard) this.#rw.guard()
  }

  /** A lane that has ended says so through `ended`, with the better reason. */
  #say(packet: Packet): void {
    this.#rw.post(CONTROL_DEVICE, packet, { urgent: true }).catch(() => {})
  }

  #control(packet: Packet, id: number): Promise<void> | void {
    const { kind } = packet
    if (kind === 'farewell') return this.#part(packet)
    if (kind === 'hello' && this.#stage === 'hello') {
      this.#stage = this.#options.secret ? 'proof' : 'checking'
      this.#offered = packet.offered
      this.#agree()
      this.#hello(packet)
    } else if (kind === 'proof' && this.#stage === 'proof') {
      this.#stage = 'checking'
      this.#prove(packet.mac)
    } else if (kind === 'ping' && (this.#stage === 'open' || this.#stage === 'checking')) {
      // The peer may be through before this side is.
      return this.#rw.respond(CONTROL_DEVICE, id, { kind: 'ping-response' }, { urgent: true }).catch(() => {})
    } else throw new StorageError('MALFORMED', `The peer sent a ${kind} where none belongs.`)
  }
}

/** @throws StorageError when the two cannot go on together */
function checkHello(ours: Hello, theirs: Hello): void {
  if (theirs.nonce.every((byte, index) => byte === ours.nonce[index])) {
    throw new StorageError('UNAUTHORIZED', 'The peer sent our own hello back.')
  }
  const { version, required, largestPayload, window } = theirs
  if (version < PROTOCOL_VERSION || (required & ~ours.offered) !== 0) {
    throw new StorageError('INCOMPATIBLE', undefined, { context: { version, required } })
  }
  if (largestPayload < SMALLEST_PAYLOAD_BYTES || window < 1) {
    throw new StorageError('INCOMPATIBLE', 'The peer takes too little at once.', {
      context: { largestPayload, window },
    })
  }
  if (theirs.hasSecret !== ours.hasSecret) {
    throw new StorageError('UNAUTHORIZED', 'Only one of the two sides has a secret.')
  }
}

/** The binding of all lanes: a lane of another session would carry what nobody has proved. */
function commonBinding(lanes: readonly Channel[]): Uint8Array {
  const nothing = new Uint8Array(0)
  const [first = nothing, ...others] = lanes.map((lane) => lane.binding ?? nothing)
  if (others.some((other) => !sameProof(first, other))) {
    throw new StorageError('UNAUTHORIZED', 'The lanes of a connection belong to different sessions.')
  }
  return first
}
