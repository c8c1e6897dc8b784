import { StorageError } from '../../errors/storage-error.ts'
import { UNREAD_MESSAGES } from './limits.ts'

/** Who made the invitation and waits, and who came by it. The guest calls: it is the `dialer` of the connection. */
export type Party = 'host' | 'guest'

/** A way for two sides to exchange a few short texts until they are connected directly. Nobody on the way is trusted. */
export interface Signalling {
  /**
   * Settles once. A guest's resolves when a host is there, a host's when the first message of a guest has come. Rejects with
   * `OPEN_FAILED` when this way leads nowhere, `NOT_FOUND` without such a host, `BUSY` when it has a guest already, `LIMIT_EXCEEDED`, `CLOSED`.
   */
  readonly met: Promise<void>
  /** Nothing happens once the way has ended. */
  send(message: string): void
  /** The next message, in order. Rejects with the reason once the way has ended and everything was read. */
  next(): Promise<string>
  /** Idempotent. */
  close(): void
}

/** The receiving half that all ways share. */
export class Mailbox {
  readonly met: Promise<void>
  readonly #settle: { resolve(): void; reject(reason: unknown): void }
  readonly #unread: string[] = []
  #reader: { resolve(message: string): void; reject(reason: unknown): void } | undefined
  #end: { readonly reason: unknown } | undefined

  constructor() {
    let settle: { resolve(): void; reject(reason: unknown): void } | undefined
    this.met = new Promise((resolve, reject) => {
      settle = { resolve, reject }
    })
    this.met.catch(() => {}) // Heard by whoever awaits it.
    this.#settle = settle!
  }

  get isOpen(): boolean {
    return this.#end === undefined
  }

  meet(): void {
    this.#settle.resolve()
  }

  put(message: string): void {
    if (this.#end) return
    if (this.#reader) {
      this.#reader.resolve(message)
      this.#reader = undefined
    } else if (this.#unread.length < UNREAD_MESSAGES) this.#unread.push(message)
    else this.end(new StorageError('LIMIT_EXCEEDED', 'The other side sends more messages than it may.'))
  }

  next(): Promise<string> {
    const message = this.#unread.shift()
    if (message !== undefined) return Promise.resolve(message)
    if (this.#end) return Promise.reject(this.#end.reason)
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
    })
  }

  end(reason: unknown = new StorageError('CLOSED', 'The meeting was called off.')): void {
    if (this.#end) return
    this.#end = { reason }
    this.#settle.reject(reason)
    this.#reader?.reject(reason)
    this.#reader = undefined
  }
}
