import { throwIfAborted } from '../async/abort.ts'
import type { Clock } from '../async/clock.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Channel } from '../protocol/channel.ts'
import {
  LARGEST_LINK_WINDOW_BYTES,
  LINK_WINDOW_BYTES,
  WEBSOCKET_BUFFERED_BYTES,
  WEBSOCKET_MESSAGE_BYTES,
  WEBSOCKET_SEND_BYTES,
  WEBSOCKET_SPARE_BYTES,
} from './limits.ts'
import type { LinkEvents, MessageLink } from './message-link.ts'
import { MessagePipe } from './message-pipe.ts'
import { SpareBuffers } from './spare-buffers.ts'

/** How a {@link webSocketChannel} behaves. */
export interface WebSocketChannelOptions {
  readonly clock?: Clock
  /**
   * Sends one message and resolves when its bytes are not read any more, for an object that keeps a reference to what it sends. Default:
   * the object copies, as the standard says.
   */
  readonly lend?: (message: Uint8Array<ArrayBuffer>) => Promise<void>
  /** Cuts the connection at once. Default: `close`, all that the standard has. */
  readonly terminate?: () => void
}

/** How a WebSocket is opened. */
export interface OpenWebSocketOptions extends WebSocketChannelOptions {
  /** Subprotocols to offer, by which both ends agree on what is spoken. The one chosen is the socket's `protocol`. */
  readonly protocols: readonly string[]
  readonly signal?: AbortSignal
}

/** A channel over a connection that is being opened by this side. */
export interface OpenedWebSocket {
  readonly channel: Channel
  /** The subprotocol the server has chosen; empty when it chose none. */
  readonly protocol: string
}

/**
 * A channel over a WebSocket that is open or will be; it takes all that the socket receives. In browsers, in Node from 22 on, and over the
 * `WebSocket` of `ws`, which has the same face.
 *
 * Neither direction has back-pressure of its own. The receiver's credits bound both, so `bufferedAmount`, which has no event, needs no timer:
 * while more than the cap is unsent, the peer still has credit to report for it, and each report is the moment to look again.
 */
export function webSocketChannel(socket: WebSocket, options: WebSocketChannelOptions = {}): Channel {
  return new MessagePipe(new WebSocketLink(socket, options), {
    kind: 'websocket',
    preferredBytes: WEBSOCKET_SEND_BYTES,
    windowBytes: LINK_WINDOW_BYTES,
    largestWindowBytes: LARGEST_LINK_WINDOW_BYTES,
    ...(options.clock ? { clock: options.clock } : {}),
  })
}

/**
 * Opens a WebSocket with the platform's own object and resolves with its channel once it is open.
 * @throws StorageError `OPEN_FAILED` when the server does not answer or refuses (browsers do not say why), `ABORTED`, `NOT_SUPPORTED`
 */
export async function openWebSocket(url: string | URL, options: OpenWebSocketOptions): Promise<OpenedWebSocket> {
  if (typeof WebSocket === 'undefined') throw new StorageError('NOT_SUPPORTED', 'There is no WebSocket here.')
  return openedWebSocket(new WebSocket(url, [...options.protocols]), options)
}

/** Waits until a WebSocket is open and resolves with its channel. @throws as {@link openWebSocket} */
export async function openedWebSocket(
  socket: WebSocket,
  options: WebSocketChannelOptions & { readonly signal?: AbortSignal },
): Promise<OpenedWebSocket> {
  const { signal } = options
  // At once: what the server says first may come in the same turn as the opening.
  const channel = webSocketChannel(socket, options)
  const opened = new Promise<'opened'>((resolve) => socket.addEventListener('open', () => resolve('opened')))
  const stop = () => channel.abort(signal?.reason)
  signal?.addEventListener('abort', stop)
  if (signal?.aborted) stop()
  try {
    const reason = await Promise.race([opened, channel.ended])
    if (reason === 'opened') return { channel, protocol: socket.protocol }
    throwIfAborted(signal)
    throw new StorageError('OPEN_FAILED', `No WebSocket connection to ${new URL(socket.url).host}.`, { cause: reason })
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

class WebSocketLink implements MessageLink {
  readonly messageBytes = WEBSOCKET_MESSAGE_BYTES
  readonly sending: 'copied' | 'kept'
  readonly lend?: (message: Uint8Array<ArrayBuffer>) => Promise<void>
  readonly #spare = new SpareBuffers(WEBSOCKET_SPARE_BYTES)
  readonly #socket: WebSocket
  readonly #options: WebSocketChannelOptions

  constructor(socket: WebSocket, options: WebSocketChannelOptions) {
    this.#socket = socket
    this.#options = options
    this.sending = options.lend ? 'kept' : 'copied'
    if (options.lend) this.lend = options.lend
  }

  hasRoom(): boolean {
    return this.#socket.bufferedAmount < WEBSOCKET_BUFFERED_BYTES
  }

  listen(events: LinkEvents): void {
    const socket = this.#socket
    socket.binaryType = 'arraybuffer'
    socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (data instanceof ArrayBuffer) events.bytes(new Uint8Array(data))
      else events.text(String(data))
    })
    let failure: unknown
    socket.addEventListener('error', (event) => {
      // Browsers say nothing; `ws` does.
      failure = (event as Partial<ErrorEvent>).error
    })
    socket.addEventListener('close', ({ code, reason }) => {
      events.lost(failure ?? new Error(`The WebSocket closed with code ${code}${reason === '' ? '' : `: ${reason}`}.`))
    })
    if (socket.readyState === socket.OPEN) events.opened()
    else if (socket.readyState === socket.CONNECTING) socket.addEventListener('open', () => events.opened())
    else queueMicrotask(() => events.lost(new Error('The WebSocket was closed already.')))
  }

  room(length: number): Uint8Array<ArrayBuffer> {
    return this.#spare.take(length)
  }

  sendBytes(message: Uint8Array<ArrayBuffer>): void {
    if (!this.lend) this.#socket.send(message)
    else {
      this.lend(message).then(
        () => this.#spare.give(message.buffer),
        () => {}, // The socket tells why it has closed.
      )
    }
  }

  sendText(message: string): void {
    this.#socket.send(message)
  }

  close(): void {
    this.#socket.close(1000)
  }

  destroy(): void {
    if (this.#options.terminate) this.#options.terminate()
    else this.#socket.close(4000, 'aborted')
  }
}
