import type { Channel } from '../../../src/protocol/channel.ts'

/** What a test says to the realm that holds the far channel, and what comes back: survives structured clone. */
export type FarMessage =
  | { readonly op: 'send'; readonly call: number; readonly parts: readonly Uint8Array[] }
  | { readonly op: 'receive' }
  | { readonly op: 'close'; readonly call: number }
  | { readonly op: 'abort'; readonly reason: FarReason }
  | { readonly op: 'settled'; readonly call: number; readonly reason?: FarReason }
  | { readonly op: 'slice'; readonly call: number; readonly bytes: Uint8Array }
  | { readonly op: 'taken'; readonly call: number; readonly reason?: FarReason }
  | { readonly op: 'ended'; readonly reason?: FarReason }

/** A reason as far as a test looks at it. */
export interface FarReason {
  readonly message: string
  readonly code?: string
}

/** A wire to the other realm: it takes copies, keeps order and loses nothing. */
export interface Wire {
  post(message: FarMessage): void
  /** Called once. */
  listen(handler: (message: FarMessage) => void): void
}

function toReason(error: unknown): FarReason {
  const code = typeof error === 'object' && error !== null && 'code' in error ? { code: String(error.code) } : {}
  return { message: String(error), ...code }
}

function fromReason({ message, code }: FarReason): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code })
}

/** Carries out here what is asked of a {@link FarChannel} there. */
export function serveChannel(channel: Channel, wire: Wire): void {
  const taking = new Map<number, { resolve: () => void; reject: (reason: unknown) => void }>()
  let slices = 0
  const settle = (call: number, work: Promise<void>) =>
    work.then(
      () => wire.post({ op: 'settled', call }),
      (error) => wire.post({ op: 'settled', call, reason: toReason(error) }),
    )
  wire.listen((message) => {
    if (message.op === 'send') void settle(message.call, channel.send(message.parts))
    else if (message.op === 'close') void settle(message.call, channel.close())
    else if (message.op === 'abort') channel.abort(fromReason(message.reason))
    else if (message.op === 'receive') {
      channel.receive((bytes) => {
        const call = slices++
        wire.post({ op: 'slice', call, bytes })
        return new Promise((resolve, reject) => taking.set(call, { resolve, reject }))
      })
    } else if (message.op === 'taken') {
      const { resolve, reject } = taking.get(message.call)!
      taking.delete(message.call)
      if (message.reason) reject(fromReason(message.reason))
      else resolve()
    }
  })
  void channel.ended.then((reason) =>
    wire.post(reason === undefined ? { op: 'ended' } : { op: 'ended', reason: toReason(reason) }),
  )
}

/** A channel that lives in another realm, for a suite that needs both ends of a pair in its hands. Its pressure is that of the channel there. */
export class FarChannel implements Channel {
  readonly kind = 'far'
  readonly ended: Promise<unknown>
  readonly #wire: Wire
  readonly #calls = new Map<number, { resolve: () => void; reject: (reason: unknown) => void }>()
  #count = 0
  #handler: ((bytes: Uint8Array) => Promise<void> | void) | undefined

  constructor(wire: Wire) {
    this.#wire = wire
    this.ended = new Promise((resolve) => {
      wire.listen((message) => {
        if (message.op === 'slice') void this.#take(message.call, message.bytes)
        else if (message.op === 'ended') resolve(message.reason && fromReason(message.reason))
        else if (message.op === 'settled') {
          const { resolve, reject } = this.#calls.get(message.call)!
          this.#calls.delete(message.call)
          if (message.reason) reject(fromReason(message.reason))
          else resolve()
        }
      })
    })
  }

  send(parts: readonly Uint8Array[]): Promise<void> {
    return this.#call((call) => ({ op: 'send', call, parts }))
  }

  receive(handler: (bytes: Uint8Array) => Promise<void> | void): void {
    if (this.#handler) throw new TypeError('"receive" is called once per channel')
    this.#handler = handler
    this.#wire.post({ op: 'receive' })
  }

  close(): Promise<void> {
    return this.#call((call) => ({ op: 'close', call }))
  }

  abort(reason: unknown): void {
    this.#wire.post({ op: 'abort', reason: toReason(reason) })
  }

  #call(message: (call: number) => FarMessage): Promise<void> {
    const call = this.#count++
    return new Promise((resolve, reject) => {
      this.#calls.set(call, { resolve, reject })
      this.#wire.post(message(call))
    })
  }

  async #take(call: number, bytes: Uint8Array): Promise<void> {
    try {
      await this.#handler!(bytes)
      this.#wire.post({ op: 'taken', call })
    } catch (error) {
      this.#wire.post({ op: 'taken', call, reason: toReason(error) })
    }
  }
}
