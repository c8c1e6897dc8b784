import { throwIfAborted } from '../../async/abort.ts'
import { type Clock, systemClock } from '../../async/clock.ts'
import { errorCode, StorageError } from '../../errors/storage-error.ts'
import type { Channel } from '../../protocol/channel.ts'
import { dataChannelChannel } from '../webrtc.ts'
import { webRtcBinding } from '../webrtc-binding.ts'
import { bindChannel } from './bind-channel.ts'
import { sha256 } from './invitation.ts'
import { CONNECT_MS, FIRST_WORD_MS, GATHER_MS } from './limits.ts'
import { decodeDescription, encodeDescription, withoutCandidates } from './session-description.ts'
import type { Party, Signalling } from './signalling.ts'

/** The data channel's `protocol`, by which both sides agree on what is spoken. */
export const DATA_CHANNEL_PROTOCOL = 'blockferry/1'

/** How two sides are connected that have met. */
export interface ConnectPeersOptions {
  /** From `meet`; closed once the two are connected, or cannot be. */
  readonly signalling: Signalling
  readonly as: Party
  /** Default: the platform's; in Node one of a library with the standard's face. */
  readonly RTCPeerConnection?: new (
    configuration?: RTCConfiguration,
  ) => RTCPeerConnection
  /** STUN and TURN servers for sides that no network joins. Default: none, so nobody else is asked for anything. */
  readonly iceServers?: readonly RTCIceServer[]
  /** Milliseconds the other side may take to answer. Default: `CONNECT_MS`. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  readonly clock?: Clock
}

/** How two sides are connected when the data channel is for somebody else. */
export interface ConnectDataChannelOptions extends ConnectPeersOptions {
  /** Takes the data channel in the turn in which it is made or announced, long before it is open: only then a worker may still get it. */
  readonly hand: (dataChannel: RTCDataChannel) => void
}

/** A direct connection whose data channel was handed on. It ends by {@link close} alone. */
export interface ConnectedDataChannel {
  /** For the channel that is made of the data channel. */
  readonly binding: Uint8Array
  /** Bytes of the largest message the peer takes, where it says. */
  readonly maxMessageSize: number | undefined
  /** Ends the connection, and with it the data channel, out of order. */
  close(): void
}

/** A direct connection of two sides. Who is at the other end is not known before the secret is proved over the channel's binding. */
export interface ConnectedPeers {
  /** With a binding. Ends when the connection does. */
  readonly channel: Channel
  /** Ends the channel too, out of order. Happens by itself once the channel has ended. */
  close(): void
}

/**
 * Connects two sides directly. The guest offers, the host answers, and both send their candidates within, since in a local network they are found at
 * once: two texts are all that has to be carried.
 *
 * The host leaves the first word to the guest. libdatachannel (0.24.5) tells ICE the answer's credentials before it stores the fingerprint that
 * stands beside them: with a host that knocks meanwhile, the guest can be through ICE and DTLS in between, finds no fingerprint to compare with, and
 * fails ("Got a remote candidate without ICE transport").
 * @throws StorageError `NOT_SUPPORTED` without WebRTC, `PEER_LOST` when the sides cannot reach each other or one gave up, `MALFORMED`,
 * `INCOMPATIBLE`, `ABORTED`
 */
export async function connectPeers(options: ConnectPeersOptions): Promise<ConnectedPeers> {
  let channel: Channel | undefined
  const { attempt, peer, binding } = await connect(options, (dataChannel, maxMessageSize) => {
    channel = dataChannelChannel(dataChannel, { maxMessageSize })
    return channel
  })
  const bound = bindChannel(channel!, binding)
  void bound.ended.then(() => peer.close())
  return { channel: bound, close: () => attempt.lose(new StorageError('CLOSED', 'The connection was closed here.')) }
}

/**
 * Connects two sides as {@link connectPeers} does, and hands the data channel on, for a worker to make the channel of. The peer connection stays
 * here, since no worker can have one. The other side may use either function.
 * @throws as {@link connectPeers}; whatever `hand` throws is the cause of a `PEER_LOST`
 */
export async function connectDataChannel(options: ConnectDataChannelOptions): Promise<ConnectedDataChannel> {
  const { attempt, peer, binding } = await connect(options, (dataChannel) => {
    options.hand(dataChannel)
    return undefined
  })
  return { binding, maxMessageSize: peer.sctp?.maxMessageSize, close: () => attempt.lose(undefined) }
}

/** Says who gets the data channel, in the turn in which it came to be. Returns the channel made of it, if that is made here. */
type Take = (dataChannel: RTCDataChannel, maxMessageSize: () => number | undefined) => Channel | undefined

interface Connected {
  readonly attempt: Attempt
  readonly peer: RTCPeerConnection
  readonly binding: Uint8Array
}

async function connect(options: ConnectPeersOptions, take: Take): Promise<Connected> {
  const { signalling, signal, clock = systemClock, timeoutMs = CONNECT_MS } = options
  const PeerConnection = options.RTCPeerConnection ?? globalThis.RTCPeerConnection
  if (!PeerConnection) {
    signalling.close()
    throw new StorageError('NOT_SUPPORTED', 'There is no WebRTC here, or it is switched off.')
  }
  const peer = new PeerConnection({ iceServers: [...(options.iceServers ?? [])] })
  const attempt = new Attempt(peer, options, take)
  const stop = new AbortController()
  const interrupt = () => stop.abort(signal?.reason)
  signal?.addEventListener('abort', interrupt, { once: true })
  const late = clock.sleep(timeoutMs, stop.signal).then((): never => {
    throw new StorageError(
      'PEER_LOST',
      'The two sides do not reach each other directly: no network joins them, or one forbids it.',
    )
  })
  late.catch(() => {}) // Thrown by the race, or stopped.
  try {
    throwIfAborted(signal)
    const binding = await Promise.race([attempt.run(), attempt.failed, late])
    return { attempt, peer, binding }
  } catch (error) {
    attempt.lose(error)
    throwIfAborted(signal)
    throw errorCode(error) === undefined ? new StorageError('PEER_LOST', undefined, { cause: error }) : error
  } finally {
    signal?.removeEventListener('abort', interrupt)
    stop.abort()
    signalling.close()
  }
}

/** One peer connection on its way to an open data channel. */
class Attempt {
  /** Rejects when the connection fails. */
  readonly failed: Promise<never>
  readonly #peer: RTCPeerConnection
  readonly #signalling: Signalling
  readonly #as: Party
  readonly #clock: Clock
  readonly #take: Take
  readonly #over = new AbortController()
  #channel: Channel | undefined

  constructor(peer: RTCPeerConnection, { signalling, as, clock = systemClock }: ConnectPeersOptions, take: Take) {
    this.#peer = peer
    this.#signalling = signalling
    this.#as = as
    this.#clock = clock
    this.#take = take
    this.failed = new Promise((_, reject) => {
      peer.addEventListener('connectionstatechange', () => {
        if (peer.connectionState !== 'failed') return
        const error = new StorageError(
          'PEER_LOST',
          'The direct connection to the other side broke, or never came about.',
        )
        reject(error)
        this.lose(error)
      })
    })
    this.failed.catch(() => {}) // Thrown by the race.
  }

  /** Resolves with the binding once the data channel can be used. */
  run(): Promise<Uint8Array> {
    return this.#as === 'guest' ? this.#offer() : this.#answer()
  }

  lose(reason: unknown): void {
    this.#over.abort()
    this.#channel?.abort(reason)
    this.#peer.close()
  }

  async #offer(): Promise<Uint8Array> {
    const peer = this.#peer
    const opened = this.#open(peer.createDataChannel('blockferry', { protocol: DATA_CHANNEL_PROTOCOL }))
    opened.catch(() => {}) // Thrown below, unless something else fails first.
    await peer.setLocalDescription(await peer.createOffer())
    await this.#gather()
    this.#signalling.send(encodeDescription(peer.localDescription!))
    await peer.setRemoteDescription(decodeDescription(await this.#signalling.next(), 'answer'))
    return opened
  }

  async #answer(): Promise<Uint8Array> {
    const peer = this.#peer
    const offer = decodeDescription(await this.#signalling.next(), 'offer')
    const opened = new Promise<Uint8Array>((resolve, reject) => {
      let isTaken = false
      peer.addEventListener('datachannel', ({ channel }) => {
        if (isTaken || channel.protocol !== DATA_CHANNEL_PROTOCOL) {
          reject(new StorageError('INCOMPATIBLE', 'The other side opened a channel for something else.'))
        } else {
          isTaken = true
          resolve(this.#open(channel))
        }
      })
    })
    opened.catch(() => {}) // Thrown below, unless something else fails first.
    const { description, candidates } = withoutCandidates(offer)
    await peer.setRemoteDescription(description)
    await peer.setLocalDescription(await peer.createAnswer())
    await this.#gather()
    this.#signalling.send(encodeDescription(peer.localDescription!))
    await this.#knock(candidates, opened)
    return opened
  }

  /** Lets the data channel be taken in this very turn, or what comes first would be missed, and resolves when it is open. */
  async #open(dataChannel: RTCDataChannel): Promise<Uint8Array> {
    const peer = this.#peer
    const channel = this.#take(dataChannel, () => peer.sctp?.maxMessageSize)
    this.#channel = channel
    if (!channel) await this.#connected()
    else if (dataChannel.readyState === 'connecting') {
      await Promise.race([
        new Promise<void>((resolve) => dataChannel.addEventListener('open', () => resolve(), { once: true })),
        channel.ended.then((reason) => {
          throw reason
        }),
      ])
    }
    const [local, remote] = [peer.localDescription?.sdp ?? '', peer.remoteDescription?.sdp ?? '']
    return webRtcBinding({ local, remote }, sha256)
  }

  /** A data channel that was handed on tells nothing here any more; it opens with the connection. */
  async #connected(): Promise<void> {
    const peer = this.#peer
    while (peer.connectionState !== 'connected') {
      await new Promise((resolve) => peer.addEventListener('connectionstatechange', resolve, { once: true }))
    }
  }

  /** Goes to meet a guest that has not come by itself. */
  async #knock(candidates: readonly RTCIceCandidateInit[], opened: Promise<unknown>): Promise<void> {
    const come = new AbortController()
    const stop = () => come.abort()
    void opened.then(stop, stop)
    const signal = AbortSignal.any([come.signal, this.#over.signal])
    await this.#clock.sleep(FIRST_WORD_MS, signal).catch(() => {})
    if (signal.aborted) return
    // One that leads there is enough, and those that this platform cannot read do not.
    await Promise.allSettled(candidates.map((candidate) => this.#peer.addIceCandidate(candidate)))
  }

  /** Waits until all addresses of this side are known, or until it takes too long. */
  async #gather(): Promise<void> {
    const peer = this.#peer
    if (peer.iceGatheringState === 'complete') return
    const done = new AbortController()
    peer.addEventListener('icegatheringstatechange', () => peer.iceGatheringState === 'complete' && done.abort())
    // Ends early by the abort; some of the addresses are better than none.
    await this.#clock.sleep(GATHER_MS, done.signal).catch(() => {})
  }
}
