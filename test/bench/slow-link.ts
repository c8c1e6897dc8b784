import type { Channel } from '../../src/protocol/channel.ts'

/** Bytes that wait in front of the link before a sender is held back. */
const BUFFER_BYTES = 2 ** 20

/** One direction of a link: a rate, a delay, bytes in order. */
class Direction {
  readonly #bytesPerMs: number
  readonly #delayMs: number
  #freeAt = 0
  #queue: { bytes: Uint8Array; at: number }[] = []
  #handler: ((bytes: Uint8Array) => Promise<void> | void) | undefined
  #isDelivering = false

  constructor(bytesPerMs: number, delayMs: number) {
    this.#bytesPerMs = bytesPerMs
    this.#delayMs = delayMs
  }

  async send(parts: readonly Uint8Array[]): Promise<void> {
    const now = performance.now()
    for (const part of parts) {
      this.#freeAt = Math.max(now, this.#freeAt) + part.length / this.#bytesPerMs
      this.#queue.push({ bytes: part.slice(), at: this.#freeAt + this.#delayMs })
    }
    void this.#deliver()
    const ahead = this.#freeAt - now - BUFFER_BYTES / this.#bytesPerMs
    if (ahead > 0) await new Promise((resolve) => setTimeout(resolve, ahead))
  }

  receive(handler: (bytes: Uint8Array) => Promise<void> | void): void {
    this.#handler = handler
    void this.#deliver()
  }

  async #deliver(): Promise<void> {
    if (this.#isDelivering || !this.#handler) return
    this.#isDelivering = true
    for (let next = this.#queue[0]; next; next = this.#queue[0]) {
      const wait = next.at - performance.now()
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
      this.#queue.shift()
      await this.#handler(next.bytes)
    }
    this.#isDelivering = false
  }
}

/** Two ends of a link with a rate and a round trip; it never ends and is only for measuring. */
export function slowLink(bytesPerMs: number, tripMs: number): readonly [Channel, Channel] {
  const [there, back] = [new Direction(bytesPerMs, tripMs / 2), new Direction(bytesPerMs, tripMs / 2)]
  const end = (out: Direction, into: Direction): Channel => {
    let settle: (reason: unknown) => void = () => {}
    const ended = new Promise<unknown>((resolve) => {
      settle = resolve
    })
    return {
      kind: 'slow-link',
      ended,
      send: (parts) => out.send(parts),
      receive: (handler) => into.receive(handler),
      close: async () => settle(undefined),
      abort: (reason) => settle(reason),
    }
  }
  return [end(there, back), end(back, there)]
}
