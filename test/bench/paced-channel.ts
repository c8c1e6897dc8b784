import type { ByteSink, Channel } from '../../src/protocol/channel.ts'

/** Bytes that are passed at once: waiting for less than a timer takes would only make the link slower than it is. */
const CREDIT_MS = 1

/** A channel whose sends go no faster than a link of a fixed rate: bytes leave when such a link would have carried them, in order. */
export class PacedChannel implements Channel {
  readonly kind: string
  readonly ended: Promise<unknown>
  readonly #channel: Channel
  readonly #bytesPerMs: number
  readonly receiveInto?: (sink: ByteSink) => void
  #freeAt = 0
  #tail: Promise<void> | undefined

  constructor(channel: Channel, bytesPerMs: number) {
    this.#channel = channel
    this.#bytesPerMs = bytesPerMs
    this.kind = channel.kind
    this.ended = channel.ended
    if (channel.receiveInto) this.receiveInto = (sink) => channel.receiveInto!(sink)
  }

  send(parts: readonly Uint8Array[]): Promise<void> {
    let bytes = 0
    for (const part of parts) bytes += part.length
    const now = performance.now()
    // A timer that was late has held the link up, not made it slower.
    this.#freeAt = Math.max(now - CREDIT_MS, this.#freeAt) + bytes / this.#bytesPerMs
    if (!this.#tail && this.#freeAt <= now) return this.#channel.send(parts)
    const sent = this.#later(parts, this.#freeAt, this.#tail)
    const tail = sent
      .catch(() => {}) // Heard by the caller.
      .then(() => {
        if (this.#tail === tail) this.#tail = undefined
      })
    this.#tail = tail
    return sent
  }

  receive(handler: (bytes: Uint8Array) => Promise<void> | void): void {
    this.#channel.receive(handler)
  }

  close(): Promise<void> {
    return this.#channel.close()
  }

  abort(reason: unknown): void {
    this.#channel.abort(reason)
  }

  async #later(parts: readonly Uint8Array[], at: number, before: Promise<void> | undefined): Promise<void> {
    await before
    const wait = at - performance.now()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    await this.#channel.send(parts)
  }
}
