import type { Clock } from '../async/clock.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Channel } from '../protocol/channel.ts'
import { GATHERED_BYTES, PORT_MESSAGE_BYTES, PORT_SEND_BYTES, PORT_SPARE_BYTES, PORT_WINDOW_BYTES } from './limits.ts'
import type { LinkEvents, MessageLink } from './message-link.ts'
import { MessagePipe } from './message-pipe.ts'
import { SpareBuffers } from './spare-buffers.ts'

/**
 * What is asked of a port: a `MessagePort` of a browser or of Node, a `Worker`, or the scope inside a dedicated worker. Everything that arrives
 * there belongs to the channel, so one `MessageChannel` per channel is the rule, and a whole worker the exception.
 */
export interface PortLike {
  postMessage(message: unknown, transfer: Transferable[]): void
  addEventListener(type: string, listener: (event: Event) => void): void
  start?(): void
  close?(): void
}

/** How a {@link messagePortChannel} behaves. */
export interface MessagePortChannelOptions {
  /** Bytes a sender may be ahead of its receiver, as ports queue without bound. Default: `PORT_WINDOW_BYTES`. */
  readonly windowBytes?: number
  readonly clock?: Clock
}

/**
 * A channel between two realms of one machine. Bytes are copied once, into a buffer that is transferred, and transferred back with the next text
 * once the receiver has given it back: a fresh buffer is faulted in page by page, which takes five times as long as the copy. The other end of the
 * port may make its channel later.
 *
 * A port whose other side has vanished tells so by a `close` event in Node. Browsers do not yet have it (seen in Chromium 156;
 * https://github.com/whatwg/html/pull/9933): there only silence tells, and the protocol's limit on silence ends the channel.
 */
export function messagePortChannel(port: PortLike, options: MessagePortChannelOptions = {}): Channel {
  const { windowBytes = PORT_WINDOW_BYTES, clock } = options
  return new MessagePipe(new PortLink(port), {
    kind: 'message-port',
    windowBytes,
    preferredBytes: PORT_SEND_BYTES,
    ...(clock ? { clock } : {}),
  })
}

/**
 * ```
 *   ArrayBuffer                     bytes that fill their buffer
 *   Uint8Array                      bytes in a buffer that was used before and is longer
 *   'text'                          a text
 *   ['text', ArrayBuffer, ...]      a text, and buffers that were sent before and may be used again
 * ```
 */
class PortLink implements MessageLink {
  readonly messageBytes = PORT_MESSAGE_BYTES
  readonly sending = 'kept'
  readonly #port: PortLike
  readonly #spare = new SpareBuffers(PORT_SPARE_BYTES)
  /** Buffers that go back. */
  readonly #returning = new Set<ArrayBuffer>()

  constructor(port: PortLike) {
    this.#port = port
  }

  hasRoom(): boolean {
    return true
  }

  listen(events: LinkEvents): void {
    const port = this.#port
    port.addEventListener('message', (event) => {
      const { data } = event as MessageEvent<unknown>
      if (data instanceof ArrayBuffer) events.bytes(new Uint8Array(data))
      else if (data instanceof Uint8Array) events.bytes(data)
      else if (Array.isArray(data)) {
        for (const buffer of data.splice(1)) if (buffer instanceof ArrayBuffer) this.#spare.give(buffer)
        events.text(String(data[0]))
      } else events.text(String(data))
    })
    port.addEventListener('messageerror', () =>
      events.lost(new StorageError('MALFORMED', 'A message at the port could not be read.')),
    )
    port.addEventListener('close', () => events.lost())
    // A worker that throws or does not load; a port has no such event.
    port.addEventListener('error', (event) => events.lost(new Error((event as ErrorEvent).message)))
    port.start?.()
    events.opened()
  }

  sendBytes(message: Uint8Array<ArrayBuffer>): void {
    const { buffer } = message
    this.#port.postMessage(message.length === buffer.byteLength ? buffer : message, [buffer])
  }

  room(length: number): Uint8Array<ArrayBuffer> {
    return this.#spare.take(length)
  }

  giveBack({ buffer }: Uint8Array): void {
    // A small one is not worth the way.
    if (buffer instanceof ArrayBuffer && buffer.byteLength >= GATHERED_BYTES) this.#returning.add(buffer)
  }

  sendText(message: string): void {
    const buffers = [...this.#returning]
    this.#returning.clear()
    this.#port.postMessage(buffers.length === 0 ? message : [message, ...buffers], buffers)
  }

  close(): void {
    // Only a port has `start`; the `close` of a worker's scope would end the worker.
    if (this.#port.start) this.#port.close?.()
  }

  destroy(): void {
    this.close()
  }
}
