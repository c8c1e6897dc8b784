/** What an {@link Inbox} tells the channel it belongs to. */
export interface InboxEvents {
  /** The receiver is done with this slice, and room for as much is free again. */
  taken(bytes: Uint8Array): void
  /** Everything that came has been taken. */
  emptied(): void
  /** The receiver threw or rejected; nothing more is handed to it. */
  failed(reason: unknown): void
}

/** Hands what arrives to the receiver, one slice at a time, and keeps what comes before there is one. It bounds nothing: who fills it does. */
export class Inbox {
  readonly #events: InboxEvents
  #handler: ((bytes: Uint8Array) => Promise<void> | void) | undefined
  #queue: Uint8Array[] = []
  #next = 0
  #state: 'idle' | 'handing' | 'stopped' = 'idle'

  constructor(events: InboxEvents) {
    this.#events = events
  }

  /** Whether nothing waits and the receiver is not at work. */
  get isIdle(): boolean {
    return this.#state === 'idle' && this.#next === this.#queue.length
  }

  /** Sets the receiver. @throws TypeError the second time */
  receive(handler: (bytes: Uint8Array) => Promise<void> | void): void {
    if (this.#handler) throw new TypeError('"receive" is called once per channel')
    this.#handler = handler
    this.#hand()
  }

  /** Hands over a slice, or keeps it until it is its turn. Nothing happens after {@link stop}. */
  push(bytes: Uint8Array): void {
    if (this.#state === 'stopped') return
    this.#queue.push(bytes)
    this.#hand()
  }

  /** Drops what waits; the receiver is not called again. */
  stop(): void {
    this.#state = 'stopped'
    this.#queue = []
    this.#next = 0
  }

  #hand(): void {
    if (!this.#handler || this.#state !== 'idle') return
    this.#state = 'handing'
    while (this.#next < this.#queue.length) {
      const bytes = this.#take()
      try {
        const working = this.#handler(bytes)
        if (working) {
          working.then(() => this.#goOn(bytes), this.#fail)
          return
        }
      } catch (error) {
        this.#fail(error)
      }
      // The receiver may have ended the channel.
      if (this.#isStopped()) return
      this.#events.taken(bytes)
      if (this.#isStopped()) return
    }
    this.#state = 'idle'
    this.#events.emptied()
  }

  #goOn(bytes: Uint8Array): void {
    if (this.#isStopped()) return
    this.#events.taken(bytes)
    if (this.#isStopped()) return
    this.#state = 'idle'
    // Says so as well when nothing came meanwhile.
    this.#hand()
  }

  readonly #fail = (reason: unknown): void => {
    if (this.#isStopped()) return
    this.stop()
    this.#events.failed(reason)
  }

  #isStopped(): boolean {
    return this.#state === 'stopped'
  }

  #take(): Uint8Array {
    const bytes = this.#queue[this.#next++]!
    if (this.#next === this.#queue.length) {
      this.#queue.length = 0
      this.#next = 0
    } else if (this.#next === 1024) {
      // Lets go of what was taken while others keep coming, without moving the queue for each.
      this.#queue.splice(0, this.#next)
      this.#next = 0
    }
    return bytes
  }
}
