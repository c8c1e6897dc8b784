import type { Clock } from '../async/clock.ts'
import type { Channel } from '../protocol/channel.ts'
import {
  DATA_CHANNEL_BUFFERED_BYTES,
  DATA_CHANNEL_LOW_BYTES,
  DATA_CHANNEL_MESSAGE_BYTES,
  LARGEST_LINK_WINDOW_BYTES,
  LINK_WINDOW_BYTES,
  SAFE_MESSAGE_BYTES,
} from './limits.ts'
import type { LinkEvents, MessageLink } from './message-link.ts'
import { MessagePipe } from './message-pipe.ts'

/** How a {@link dataChannelChannel} behaves. */
export interface DataChannelOptions {
  /**
   * Bytes of the largest message the peer takes: `sctp.maxMessageSize` of the peer connection, which is known only once that is connected;
   * a function is asked until it knows. Unknown: `SAFE_MESSAGE_BYTES`.
   */
  readonly maxMessageSize?: number | (() => number | undefined)
  /** From `webRtcBinding`. */
  readonly binding?: Uint8Array
  readonly clock?: Clock
}

/**
 * A channel over a WebRTC data channel that is open or will be: reliable and ordered, which is the default. The object may be a browser's, in
 * a page or handed to a worker, or of any library in Node with the standard's face. Make the channel in the same turn in which the data
 * channel appears, or early messages are missed. The peer connection stays the caller's to close, once `ended` has resolved.
 *
 * One that is open already may only say so: in its `datachannel` event Chromium drops now and then what is sent, without an error. So nothing but
 * the text `here`, which may be lost, is said before something was heard, which an end that saw itself open says first.
 *
 * Data channels have an event for room to send, and nothing that holds the sender back; credits do that.
 */
export function dataChannelChannel(dataChannel: RTCDataChannel, options: DataChannelOptions = {}): Channel {
  const { maxMessageSize } = options
  const askSize = typeof maxMessageSize === 'function' ? maxMessageSize : () => maxMessageSize
  return new MessagePipe(new DataChannelLink(dataChannel, askSize), {
    kind: 'webrtc',
    windowBytes: LINK_WINDOW_BYTES,
    largestWindowBytes: LARGEST_LINK_WINDOW_BYTES,
    ...(options.binding ? { binding: options.binding } : {}),
    ...(options.clock ? { clock: options.clock } : {}),
  })
}

/** Said where sending may be in vain, so that two ends which both found their channel open hear each other; means nothing else. */
const HERE = 'here'

class DataChannelLink implements MessageLink {
  readonly sending = 'copied'
  readonly #channel: RTCDataChannel
  readonly #askSize: () => number | undefined
  #messageBytes: number | undefined
  #isOpen = false

  constructor(channel: RTCDataChannel, askSize: () => number | undefined) {
    this.#channel = channel
    this.#askSize = askSize
  }

  get messageBytes(): number {
    if (this.#messageBytes !== undefined) return this.#messageBytes
    const size = this.#askSize()
    if (size === undefined) return SAFE_MESSAGE_BYTES
    // Zero stands for no limit in SDP, and some objects hand it on.
    this.#messageBytes = Math.min(size || DATA_CHANNEL_MESSAGE_BYTES, DATA_CHANNEL_MESSAGE_BYTES)
    return this.#messageBytes
  }

  hasRoom(): boolean {
    return this.#isOpen && this.#channel.bufferedAmount < DATA_CHANNEL_BUFFERED_BYTES
  }

  listen(events: LinkEvents): void {
    const channel = this.#channel
    channel.binaryType = 'arraybuffer'
    channel.bufferedAmountLowThreshold = DATA_CHANNEL_LOW_BYTES
    // Heard always, and each credit from the peer looks again as well: the event is not fired when the amount fell before the threshold was
    // seen, nor in every library for a single message (https://github.com/murat-dogan/node-datachannel/issues/204).
    channel.addEventListener('bufferedamountlow', () => events.room())
    // An end that was not open yet believes the event; one that was, a message.
    let isSure = channel.readyState === 'connecting'
    const look = () => {
      // A worker that was handed a channel hears the first messages before that is open.
      if (isSure && channel.readyState === 'open') this.#open(events)
    }
    channel.addEventListener('open', look)
    channel.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      isSure = true
      look()
      if (data === HERE) return
      if (data instanceof ArrayBuffer) events.bytes(new Uint8Array(data))
      else events.text(String(data))
    })
    let failure: unknown
    channel.addEventListener('error', (event) => {
      failure = (event as Partial<RTCErrorEvent>).error
    })
    channel.addEventListener('close', () => events.lost(failure))
    if (channel.readyState === 'open') this.#knock(events)
    else if (channel.readyState !== 'connecting')
      queueMicrotask(() => events.lost(new Error('The data channel was closed already.')))
  }

  /**
   * Chromium calls a channel that the peer made open before its network thread does, which drops what reaches it until then and tells nobody:
   * 2 of 235 connections stalled by it, in version 156. The `open` event follows in the same turn and proves nothing either; a message that
   * came does, as the network thread hands out none before. Source: `DataChannelController::OnDataChannelOpenMessage` of libwebrtc.
   */
  #knock(events: LinkEvents): void {
    try {
      this.#channel.send(HERE)
    } catch (cause) {
      queueMicrotask(() => events.lost(cause))
    }
  }

  #open(events: LinkEvents): void {
    if (this.#isOpen) return
    this.#isOpen = true
    events.opened()
    events.room()
  }

  sendBytes(message: Uint8Array<ArrayBuffer>): void {
    this.#channel.send(message)
  }

  sendText(message: string): void {
    this.#channel.send(message)
  }

  close(): void {
    this.#channel.close()
  }

  destroy(): void {
    this.#channel.close()
  }
}
