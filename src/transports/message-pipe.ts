import { type Clock, systemClock } from '../async/clock.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Channel } from '../protocol/channel.ts'
import { Inbox } from './inbox.ts'
import { GRANT_STEP_BYTES, GRANTS_PER_WINDOW, LARGEST_GRANT, LINGER_MS, MESSAGE_COST } from './limits.ts'
import type { MessageLink } from './message-link.ts'
import { Outbox } from './outbox.ts'

/** How a {@link MessagePipe} is made. */
export interface MessagePipeOptions {
  readonly kind: string
  readonly binding?: Uint8Array
  readonly preferredBytes?: number
  /** Bytes the peer may have on the way to us or waiting here for the receiver, at first. */
  readonly windowBytes: number
  /** What that grows to while the peer waits for credit and the receiver for bytes. Default: `windowBytes`. */
  readonly largestWindowBytes?: number
  readonly clock?: Clock
}

/**
 * A channel over a link of messages that knows no back-pressure. Messages of bytes are the stream itself, without any head; messages of
 * text steer it:
 *
 * ```
 *   +65536   you may send so many bytes more; each message costs its length + 256
 *   more     I have bytes and no credit: perhaps the link is longer than your window
 *   end      nothing more comes from here
 *   done     everything up to your end has been taken here
 *   bye      both of us have confirmed the end; the link may go
 *   gone     aborted here
 * ```
 *
 * The first two are how a receiver holds the sender back, the rest is the orderly end: links lose on closing what they still hold
 * (https://github.com/w3c/webrtc-pc/issues/888), so a link is closed only once both ends know that nothing is under way. Data counts as
 * taken when the receiver's promise has resolved. `bye` may be lost: who said it has all it needs.
 */
export class MessagePipe implements Channel {
  readonly kind: string
  readonly binding?: Uint8Array
  readonly preferredBytes?: number
  readonly ended: Promise<unknown>
  readonly #link: MessageLink
  readonly #inbox: Inbox
  readonly #outbox: Outbox
  readonly #clock: Clock
  readonly #settle: (reason: unknown) => void
  readonly #lingering = new AbortController()
  #outgoing: 'open' | 'flushing' | 'ended' | 'confirmed' = 'open'
  #incoming: 'open' | 'ended' | 'confirmed' = 'open'
  #end: { readonly reason: unknown } | undefined
  /** What was said before the link was open. */
  #unsaid: string[] | undefined = []
  /** Credit the peer has left, as we count it. */
  #window: number
  #taken = 0
  #windowBytes: number
  readonly #largestWindowBytes: number

  constructor(link: MessageLink, options: MessagePipeOptions) {
    this.kind = options.kind
    if (options.binding) this.binding = options.binding
    if (options.preferredBytes) this.preferredBytes = options.preferredBytes
    this.#link = link
    this.#clock = options.clock ?? systemClock
    this.#window = options.windowBytes
    this.#windowBytes = options.windowBytes
    this.#largestWindowBytes = options.largestWindowBytes ?? options.windowBytes
    let settle: (reason: unknown) => void = () => {}
    this.ended = new Promise((resolve) => {
      settle = resolve
    })
    this.#settle = settle
    this.#outbox = new Outbox(link, {
      failed: (cause) => this.#finish(new StorageError('PEER_LOST', undefined, { cause })),
      starved: () => this.#say('more'),
    })
    this.#inbox = new Inbox({
      taken: (bytes) => this.#giveCredit(bytes.length + MESSAGE_COST),
      emptied: () => this.#confirm(),
      failed: (reason) => this.abort(reason),
    })
    link.listen({
      opened: () => this.#open(),
      bytes: (message) => this.#hear(message),
      text: (message) => this.#obey(message),
      room: () => this.#outbox.pump(),
      lost: (cause) => this.#lose(cause),
    })
  }

  send(parts: readonly Uint8Array[]): Promise<void> {
    if (this.#end || this.#outgoing !== 'open') return Promise.reject(this.#end?.reason ?? closed())
    try {
      return this.#outbox.send(parts)
    } catch (error) {
      this.abort(error)
      return Promise.reject(error)
    }
  }

  receive(handler: (bytes: Uint8Array) => Promise<void> | void): void {
    this.#inbox.receive(handler)
  }

  giveBack(slice: Uint8Array): void {
    if (!this.#end) this.#link.giveBack?.(slice)
  }

  async close(): Promise<void> {
    this.#endOutgoing()
    await this.ended
  }

  abort(reason: unknown): void {
    this.#finish(reason ?? new StorageError('ABORTED'))
  }

  #open(): void {
    const unsaid = this.#unsaid ?? []
    this.#unsaid = undefined
    this.#say(`+${this.#window}`)
    for (const message of unsaid) this.#say(message)
  }

  #hear(message: Uint8Array): void {
    const cost = message.length + MESSAGE_COST
    if (message.length === 0 || this.#incoming !== 'open') this.#refuse('MALFORMED', 'bytes out of place')
    else if (cost > this.#window) this.#refuse('LIMIT_EXCEEDED', `more than the ${this.#window} bytes it may`)
    else {
      this.#window -= cost
      this.#inbox.push(message)
    }
  }

  #obey(message: string): void {
    if (this.#end) return
    if (/^\+[1-9]\d{0,9}$/.test(message) && Number(message) <= LARGEST_GRANT) {
      this.#outbox.grant(Number(message))
    } else if (message === 'more' && this.#incoming === 'open') {
      this.#widen()
    } else if (message === 'end' && this.#incoming === 'open') {
      this.#incoming = 'ended'
      this.#confirm()
    } else if (message === 'done' && this.#outgoing === 'ended') {
      this.#outgoing = 'confirmed'
      this.#part()
    } else if (message === 'bye' && this.#isConfirmed()) {
      this.#finish(undefined)
    } else if (message === 'gone') {
      this.#lose(undefined)
    } else {
      this.#refuse('MALFORMED', 'text out of place')
    }
  }

  /** The peer broke the rules. */
  #refuse(code: 'MALFORMED' | 'LIMIT_EXCEEDED', what: string): void {
    this.abort(new StorageError(code, `The peer of this ${this.kind} channel sent ${what}.`))
  }

  #giveCredit(bytes: number): void {
    this.#taken += bytes
    const step = Math.min(this.#windowBytes / GRANTS_PER_WINDOW, GRANT_STEP_BYTES)
    if (this.#taken < step || this.#incoming !== 'open') return
    this.#window += this.#taken
    const granted = this.#taken
    this.#taken = 0
    this.#say(`+${granted}`)
  }

  /** Doubles the window when it is what slows the peer down: the receiver has taken everything, and the peer has more. */
  #widen(): void {
    const more = Math.min(this.#windowBytes, this.#largestWindowBytes - this.#windowBytes)
    if (more === 0 || !this.#inbox.isIdle) return
    this.#windowBytes += more
    this.#window += more
    this.#say(`+${more}`)
  }

  /** Once all up to the peer's end is taken: says so, and ends this direction too. A receiver may answer until then. */
  #confirm(): void {
    if (this.#incoming !== 'ended' || !this.#inbox.isIdle || this.#end) return
    this.#incoming = 'confirmed'
    this.#say('done')
    this.#endOutgoing()
    this.#part()
  }

  #endOutgoing(): void {
    if (this.#outgoing !== 'open' || this.#end) return
    this.#outgoing = 'flushing'
    this.#outbox.flush(() => {
      this.#outgoing = 'ended'
      this.#say('end')
    })
  }

  /** When nothing is under way any more: says so, and waits shortly for the peer to say the same. */
  #part(): void {
    if (!this.#isConfirmed() || this.#end) return
    this.#say('bye')
    const lingered = this.#clock.sleep(LINGER_MS, this.#lingering.signal)
    lingered.then(
      () => this.#finish(undefined),
      () => {}, // The peer was faster.
    )
  }

  #isConfirmed(): boolean {
    return this.#outgoing === 'confirmed' && this.#incoming === 'confirmed'
  }

  #lose(cause: unknown): void {
    this.#finish(this.#isConfirmed() ? undefined : new StorageError('PEER_LOST', undefined, { cause }), 'lost')
  }

  #say(message: string): void {
    if (this.#end) return
    if (this.#unsaid) return void this.#unsaid.push(message)
    try {
      this.#link.sendText(message)
    } catch (cause) {
      this.#lose(cause)
    }
  }

  #finish(reason: unknown, link: 'there' | 'lost' = 'there'): void {
    if (this.#end) return
    this.#end = { reason }
    this.#lingering.abort()
    this.#inbox.stop()
    this.#outbox.stop(reason ?? closed())
    if (reason === undefined) this.#link.close()
    else this.#cut(link)
    this.#settle(reason)
  }

  /** Ends the link out of order. Not every link tells the peer by itself. */
  #cut(link: 'there' | 'lost'): void {
    try {
      if (link === 'there' && !this.#unsaid) this.#link.sendText('gone')
    } catch {
      // Then the peer notices by the link.
    }
    this.#link.destroy()
  }
}

function closed(): StorageError {
  return new StorageError('CLOSED', 'The channel was closed.')
}
