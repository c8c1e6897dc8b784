import type { Clock } from '../async/clock.ts'
import { checkInteger } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Channel } from '../protocol/channel.ts'
import { MEMORY_MESSAGE_BYTES, MEMORY_WINDOW_BYTES, SMALLEST_WINDOW_BYTES } from './limits.ts'
import type { LinkEvents, MessageLink } from './message-link.ts'
import { MessagePipe } from './message-pipe.ts'

/** How {@link memoryChannels} behave. */
export interface MemoryChannelOptions {
  /** Bytes a sender may be ahead of its receiver. Default: `MEMORY_WINDOW_BYTES`. */
  readonly windowBytes?: number
  /** Bytes that arrive at once at most. Default: `MEMORY_MESSAGE_BYTES`. */
  readonly messageBytes?: number
  readonly clock?: Clock
}

/** Two channels linked in one realm, and the means to tear the link. */
export interface MemoryChannels {
  readonly a: Channel
  readonly b: Channel
  /** Both ends lose their peer at once; what is under way is gone. */
  sever(): void
}

/**
 * A pair of linked channels in one realm, for tests and simulations. Bytes are copied once. Deterministic: each message arrives in a
 * microtask of its own, in the order sent, and nothing else is asked of the platform.
 */
export function memoryChannels(options: MemoryChannelOptions = {}): MemoryChannels {
  const messageBytes = checkInteger('messageBytes', options.messageBytes ?? MEMORY_MESSAGE_BYTES, 1)
  const windowBytes = checkInteger('windowBytes', options.windowBytes ?? MEMORY_WINDOW_BYTES, SMALLEST_WINDOW_BYTES)
  const [left, right] = [new MemoryLink(messageBytes), new MemoryLink(messageBytes)]
  left.peer = right
  right.peer = left
  const pipe = { kind: 'memory', windowBytes, ...(options.clock ? { clock: options.clock } : {}) }
  const [a, b] = [new MessagePipe(left, pipe), new MessagePipe(right, pipe)]
  const sever = () => {
    for (const link of [left, right]) link.sever()
  }
  return { a, b, sever }
}

class MemoryLink implements MessageLink {
  readonly sending = 'kept'
  readonly messageBytes: number
  peer: MemoryLink | undefined
  #events: LinkEvents | undefined

  constructor(messageBytes: number) {
    this.messageBytes = messageBytes
  }

  hasRoom(): boolean {
    return true
  }

  listen(events: LinkEvents): void {
    this.#events = events
    events.opened()
  }

  sendBytes(message: Uint8Array<ArrayBuffer>): void {
    this.#deliver((events) => events.bytes(message))
  }

  sendText(message: string): void {
    this.#deliver((events) => events.text(message))
  }

  close(): void {
    this.#deliver((events) => events.lost())
    this.#events = undefined
  }

  destroy(): void {
    this.close()
  }

  sever(): void {
    const events = this.#events
    this.#events = undefined
    events?.lost(new StorageError('PEER_LOST', 'The link was severed.'))
  }

  #deliver(report: (events: LinkEvents) => void): void {
    const { peer } = this
    queueMicrotask(() => {
      const events = peer === undefined ? undefined : peer.#events
      if (events) report(events)
    })
  }
}
