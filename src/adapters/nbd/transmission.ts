import { COMMAND, REQUEST_MAGIC } from './codes.ts'

/** Bytes of a request before its payload. */
export const REQUEST_HEADER_BYTES = 28

/** What a client asks for. */
export interface Request {
  readonly command: number
  readonly flags: number
  /** The client's name for the request, given back in the reply: two halves, since nobody calculates with it. */
  readonly cookieHigh: number
  readonly cookieLow: number
  /** Bytes. Beyond 2^53 it is not exact, and beyond the end of every disk. */
  readonly offset: number
  /** Bytes; below 2^32. */
  readonly length: number
}

/**
 * What came of the bytes given to a {@link RequestReader}:
 * - `more`: all are taken and the next ones are awaited.
 * - `request`: a header is complete. A write must be told what to do with its payload before anything more is read.
 * - `payload`: the payload is complete.
 * - `broken`: this is not the protocol; nothing behind it can be understood.
 */
export type ReaderEvent = 'more' | 'request' | 'payload' | 'broken'

/**
 * Reads the requests of a client, without a socket: arbitrary slices of bytes in, one event at a time out.
 * ```
 *   magic u32 | flags u16 | command u16 | cookie u64 | offset u64 | length u32 | payload, length bytes, of a write
 * ```
 * It allocates nothing for a payload: the owner gives it a place, or has it skipped. {@link place} lets a socket read straight into it.
 */
export class RequestReader {
  readonly #header = new Uint8Array(REQUEST_HEADER_BYTES)
  readonly #view = new DataView(this.#header.buffer)
  #filled = 0
  #state: 'header' | 'announced' | 'payload' | 'skipping' | 'broken' = 'header'
  #payload: Uint8Array | undefined
  #left = 0
  #consumed = 0
  #request: Request | undefined

  /** Bytes the last {@link receive} took. */
  get consumed(): number {
    return this.#consumed
  }

  /** The request whose header was read last. */
  get request(): Request | undefined {
    return this.#request
  }

  /** Whether a request has begun and not ended: a connection that ends here was cut. */
  get inside(): boolean {
    return this.#state !== 'header' || this.#filled > 0
  }

  /** Takes bytes up to the next event; how many is {@link consumed}. They are copied or only looked at. */
  receive(bytes: Uint8Array): ReaderEvent {
    this.#consumed = 0
    switch (this.#state) {
      case 'broken':
        return 'broken'
      case 'announced':
        return 'request'
      case 'payload': {
        const count = Math.min(this.#left, bytes.length)
        this.#payload!.set(bytes.subarray(0, count), this.#payload!.length - this.#left)
        this.#consumed = count
        return this.placed(count)
      }
      case 'skipping':
        this.#consumed = Math.min(this.#left, bytes.length)
        return this.#advance(this.#consumed)
      case 'header':
        return this.#readHeader(bytes)
    }
  }

  /** Says where the payload of the announced write goes. It is complete only when the event says so; before, its content means nothing. */
  placePayload(target: Uint8Array): void {
    this.#state = 'payload'
    this.#payload = target
    this.#left = target.length
  }

  /** Lets the payload of the announced write pass by unread. */
  skipPayload(): void {
    this.#state = 'skipping'
    this.#left = this.#request!.length
  }

  /** Where the next bytes of the connection may be put directly; undefined while a header is expected. */
  get place(): Uint8Array | undefined {
    return this.#state === 'payload' ? this.#payload!.subarray(this.#payload!.length - this.#left) : undefined
  }

  /** Says that `count` bytes were put at {@link place}. */
  placed(count: number): ReaderEvent {
    return this.#advance(count)
  }

  #advance(count: number): ReaderEvent {
    this.#left -= count
    if (this.#left > 0) return 'more'
    this.#payload = undefined
    this.#state = 'header'
    return 'payload'
  }

  #readHeader(bytes: Uint8Array): ReaderEvent {
    let view: DataView = this.#view
    if (this.#filled === 0 && bytes.length >= REQUEST_HEADER_BYTES) {
      view = new DataView(bytes.buffer, bytes.byteOffset, REQUEST_HEADER_BYTES)
      this.#consumed = REQUEST_HEADER_BYTES
    } else {
      const count = Math.min(REQUEST_HEADER_BYTES - this.#filled, bytes.length)
      this.#header.set(bytes.subarray(0, count), this.#filled)
      this.#filled += count
      this.#consumed = count
      if (this.#filled < REQUEST_HEADER_BYTES) return 'more'
      this.#filled = 0
    }
    if (view.getUint32(0) !== REQUEST_MAGIC) {
      this.#state = 'broken'
      return 'broken'
    }
    this.#request = {
      flags: view.getUint16(4),
      command: view.getUint16(6),
      cookieHigh: view.getUint32(8),
      cookieLow: view.getUint32(12),
      offset: view.getUint32(16) * 2 ** 32 + view.getUint32(20),
      length: view.getUint32(24),
    }
    if (this.#request.command === COMMAND.WRITE && this.#request.length > 0) this.#state = 'announced'
    return 'request'
  }
}
