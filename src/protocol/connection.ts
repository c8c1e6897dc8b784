import { type Clock, systemClock } from '../async/clock.ts'
import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Channel } from './channel.ts'
import { CONTROL_DEVICE, Handshake } from './handshake.ts'
import { CLOSE_MS, HELLO_MS } from './limits.ts'
import { watchPeer } from './liveness.ts'
import { failureOf } from './peer-error.ts'
import { type Dialect, ProtocolRW } from './protocol-rw.ts'
import { type ConnectionRole, SECRET_BYTES } from './secret-proof.ts'

export { CONTROL_DEVICE, FEATURE, PROTOCOL_VERSION } from './handshake.ts'

/** How a connection is set up. */
export interface ConnectionOptions {
  /** Agreed before any byte of ours: WebSocket subprotocol, data channel protocol, or by the command line. Default: `blockferry/1`. */
  dialect?: Dialect
  /** Whether this side called or was called. */
  role: ConnectionRole
  /**
   * At least 16 bytes that the peer must know too. Without one, a peer that insists on one is refused. Not for dialect `silo`. Over a channel
   * without a `binding` it keeps strangers out, but not somebody who sits between the two and passes everything on.
   */
  secret?: Uint8Array
  /** Bits of `FEATURE` that this side can do beside moving disks. Default: none. */
  offered?: number
  /** Bits that it has come for: a peer that does not offer them is refused with `INCOMPATIBLE`. Default: none. */
  required?: number
  /** Bits that this side is not to offer, as if it were older. Default: none. */
  without?: number
  clock?: Clock
}

/** A connection whose peer is who it should be. */
export interface Connection {
  readonly rw: ProtocolRW
  readonly dialect: Dialect
  /** How many channels carry it: what is sent over one keeps its order, over several only what waits for an answer does. */
  readonly laneCount: number
  /** The nonces of both hellos, the dialer's first: what is proved over them is good for this connection only. Empty in dialect `silo`. */
  readonly session: Uint8Array
  /** Bits of `FEATURE` that the peer has come for, all of them offered here; 0 where it wants to move a disk. */
  readonly wanted: number
  /** Bits of `FEATURE` that both sides can do. */
  readonly shared: number
  /** Ends it in order, or, with an error, tells the peer why first. A peer that does not take part in it is cut off after `CLOSE_MS`. */
  close(error?: unknown): Promise<void>
}

/**
 * Agrees with the peer on version, limits and secret, and watches that it stays alive. Dialect `silo` knows none of that: there the
 * connection is just made. Nothing the peer asks is done before it has proved the secret. `lanes`: channels to one and the same
 * peer, which the caller answers for where they have no binding; of several the first takes urgent packets and the last all others.
 * @throws StorageError `INCOMPATIBLE`, `UNAUTHORIZED`, `PEER_LOST`, `MALFORMED`; the lanes are ended then. InvalidArgumentError
 */
export async function openConnection(lanes: readonly Channel[], options: ConnectionOptions): Promise<Connection> {
  const { dialect = 'blockferry/1', clock = systemClock, secret } = options
  if (secret && secret.length < SECRET_BYTES) {
    throw new InvalidArgumentError('secret', `at least ${SECRET_BYTES} bytes`, secret.length)
  }
  if (secret && dialect === 'silo') throw new InvalidArgumentError('secret', 'no secret in dialect silo', 'one')
  const isOurs = dialect !== 'silo'
  const rw = new ProtocolRW(lanes, {
    dialect,
    clock,
    unproven: isOurs,
    ...(isOurs ? { lastWords: (reason: unknown) => ({ kind: 'farewell', ...failureOf(reason) }) as const } : {}),
  })
  const close = async (error?: unknown) => {
    if (error !== undefined) rw.fail(error)
    else await inTime(rw.close(), CLOSE_MS, clock).catch((late: unknown) => rw.abort(late))
    await rw.left
  }
  let session: Uint8Array = new Uint8Array(0)
  let wanted = 0
  let shared = 0
  if (isOurs) {
    const handshake = new Handshake(rw, lanes, options)
    try {
      await inTime(handshake.run(), HELLO_MS, clock)
      session = handshake.session
      wanted = handshake.wanted
      shared = handshake.shared
    } catch (error) {
      rw.fail(error)
      throw error
    }
    watchPeer(rw, CONTROL_DEVICE, clock)
  }
  return { rw, dialect, laneCount: lanes.length, session, wanted, shared, close }
}

async function inTime<Value>(work: Promise<Value>, ms: number, clock: Clock): Promise<Value> {
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
