import { StorageError } from '../errors/storage-error.ts'
import { GATHERED_BYTES, MESSAGE_COST, PENDING_BYTES, PENDING_SENDS } from './limits.ts'
import type { MessageLink } from './message-link.ts'

/** A send that is not finished: what is left of its parts, and how many pieces of them a link still reads. */
interface PendingSend {
  readonly parts: readonly Uint8Array[]
  part: number
  offset: number
  left: number
  lent: number
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/** What an {@link Outbox} tells the channel it belongs to. */
export interface OutboxEvents {
  /** The link refused a message. */
  failed(reason: unknown): void
  /** Bytes wait for nothing but credit. Said once for each credit that was given and spent. */
  starved(): void
}

/** Cuts what is sent into messages, as many as the peer's credit and the link's room allow; the rest waits, borrowed. */
export class Outbox {
  readonly #link: MessageLink
  readonly #events: OutboxEvents
  /** Whether the peer was asked for credit since it last gave some. */
  #hasAsked = false
  readonly #waiting: PendingSend[] = []
  /** Sent whole, but the link still reads from the caller's memory. */
  readonly #lent = new Set<PendingSend>()
  #waitingBytes = 0
  #credit = 0
  /** Credit at which a message is worth sending although more is left: half of what the peer has ever granted at once. */
  #worthwhile = 0
  #staging: Uint8Array<ArrayBuffer> | undefined
  #flushed: (() => void) | undefined
  #state: 'open' | 'pumping' | 'stopped' = 'open'

  constructor(link: MessageLink, events: OutboxEvents) {
    this.#link = link
    this.#events = events
  }

  /**
   * Takes the parts in; resolves when all of them have left and none is read any more.
   * @throws StorageError `LIMIT_EXCEEDED`, and {@link stop} must follow, when too much waits already
   */
  send(parts: readonly Uint8Array[]): Promise<void> {
    let left = 0
    for (const part of parts) left += part.length
    if (
      this.#waiting.length >= PENDING_SENDS ||
      (this.#waiting.length > 0 && this.#waitingBytes + left > PENDING_BYTES)
    ) {
      throw new StorageError('LIMIT_EXCEEDED', 'More was sent than the channel takes; sends must be waited for.', {
        context: { pendingSends: this.#waiting.length, pendingBytes: this.#waitingBytes },
      })
    }
    return new Promise((resolve, reject) => {
      this.#waitingBytes += left
      this.#waiting.push({ parts, part: 0, offset: 0, left, lent: 0, resolve, reject })
      this.pump()
    })
  }

  /** The peer can take so many more bytes. */
  grant(bytes: number): void {
    this.#credit += bytes
    this.#hasAsked = false
    this.#worthwhile = Math.max(this.#worthwhile, Math.min(bytes / 2, this.#link.messageBytes))
    this.pump()
  }

  /** Calls back once everything sent before has been given to the link. */
  flush(flushed: () => void): void {
    this.#flushed = flushed
    this.pump()
  }

  /** Rejects all that waits. */
  stop(reason: unknown): void {
    this.#state = 'stopped'
    for (const send of [...this.#lent, ...this.#waiting.splice(0)]) send.reject(reason)
    this.#lent.clear()
    this.#flushed = undefined
  }

  /** Sends what can be sent now. */
  pump(): void {
    if (this.#state !== 'open') return
    this.#state = 'pumping'
    try {
      while (this.#waiting.length > 0 && this.#sendNext()) {}
      if (this.#waiting.length === 0) this.#flushed?.()
      if (this.#waiting.length === 0) this.#flushed = undefined
    } catch (error) {
      this.#events.failed(error)
    } finally {
      if (this.#isPumping()) this.#state = 'open'
    }
  }

  /** Sends one message; false when it has to wait. */
  #sendNext(): boolean {
    const first = this.#waiting[0]!
    if (first.left === 0) return this.#finish(first)
    if (!this.#link.hasRoom()) return false
    const largest = Math.min(this.#link.messageBytes, this.#credit - MESSAGE_COST)
    // A message for every crumb of credit would cost more than it moves.
    if (largest < Math.min(first.left, this.#worthwhile) || largest <= 0) return this.#starve()
    const { parts } = first
    while (parts[first.part]!.length === first.offset) {
      first.part++
      first.offset = 0
    }
    const part = parts[first.part]!
    const length = Math.min(part.length - first.offset, largest)
    if (length < GATHERED_BYTES && (this.#link.sending === 'kept' || length < this.#waitingBytes)) {
      this.#sendGathered(largest)
    } else {
      this.#sendFrom(first, part, length)
    }
    return true
  }

  #starve(): false {
    if (!this.#hasAsked && this.#worthwhile > 0) {
      this.#hasAsked = true
      this.#events.starved()
    }
    return false
  }

  /** Sends a piece of one part: from where it lies if the link copies or borrows, else in a buffer of its own. */
  #sendFrom(send: PendingSend, part: Uint8Array, length: number): void {
    const { offset } = send
    this.#advance(send, length)
    this.#credit -= length + MESSAGE_COST
    // The platforms refuse shared memory; nothing of ours is.
    const bytes = part.subarray(offset, offset + length) as Uint8Array<ArrayBuffer>
    if (!this.#link.lend) {
      this.#link.sendBytes(this.#link.sending === 'kept' ? this.#copy(bytes) : bytes)
      return
    }
    send.lent++
    this.#link.lend(bytes).then(() => {
      send.lent--
      if (this.#lent.has(send) && send.lent === 0) {
        this.#lent.delete(send)
        send.resolve()
      }
      this.pump()
    }, this.#events.failed)
  }

  /** Sends as much as fits, copied together from as many parts and sends as it takes. */
  #sendGathered(largest: number): void {
    const length = Math.min(largest, this.#waitingBytes)
    const bytes = this.#buffer(length)
    let filled = 0
    for (const send of this.#waiting) {
      while (filled < length && send.left > 0) {
        const part = send.parts[send.part]!
        const piece = Math.min(part.length - send.offset, length - filled)
        bytes.set(piece === part.length ? part : part.subarray(send.offset, send.offset + piece), filled)
        filled += piece
        this.#advance(send, piece)
        if (send.offset === part.length) {
          send.part++
          send.offset = 0
        }
      }
      if (filled === length) break
    }
    this.#credit -= length + MESSAGE_COST
    this.#link.sendBytes(bytes)
  }

  #copy(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const room = this.#link.room?.(bytes.length)
    // A slice is not filled with zeroes first, as a new buffer is.
    if (!room) return bytes.slice()
    room.set(bytes)
    return room
  }

  /** Memory of exactly this length; the same again where the link copies. */
  #buffer(length: number): Uint8Array<ArrayBuffer> {
    if (this.#link.sending !== 'copied') return this.#link.room?.(length) ?? new Uint8Array(length)
    if (!this.#staging || this.#staging.length < length) this.#staging = new Uint8Array(this.#link.messageBytes)
    return this.#staging.subarray(0, length)
  }

  #advance(send: PendingSend, length: number): void {
    send.offset += length
    send.left -= length
    this.#waitingBytes -= length
  }

  #finish(first: PendingSend): true {
    this.#waiting.shift()
    if (first.lent > 0) this.#lent.add(first)
    else first.resolve()
    return true
  }

  #isPumping(): boolean {
    return this.#state === 'pumping'
  }
}
