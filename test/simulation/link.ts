import { StorageError } from '../../src/errors/storage-error.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import type { Choices } from './choices.ts'
import { ENDED, type Machine } from './machine.ts'
import type { Scheduler } from './scheduler.ts'

/** How a link carries bytes. */
export interface LinkTraits {
  /** Longest time of a piece on its way, in milliseconds. */
  readonly latencyMs: number
  /** Bytes that a sender may be ahead. */
  readonly bufferBytes: number
  /** Sends are cut into pieces at any byte. */
  readonly cuts: boolean
  readonly lanes: number
}

/** How long somebody looks on while nothing moves over a connection that has lost bytes. */
const UNNOTICED_MS = 600_000

/** The lanes between two machines. What happens to one happens to all, as they share a wire; each keeps its own order and pace. */
export class Link {
  readonly near: readonly LinkEnd[]
  readonly far: readonly LinkEnd[]
  readonly #scheduler: Scheduler
  readonly #choices: Choices
  #stalledUntilMs = 0
  /** Pieces that are to arrive with a wrong bit. */
  flips = 0
  /** Pieces of which a slice is to vanish on the way. */
  gaps = 0
  /** Nothing arrives any more, and nobody is told. */
  silent = false

  constructor(near: Machine, far: Machine, world: { scheduler: Scheduler; choices: Choices; traits: LinkTraits }) {
    const { scheduler, choices, traits } = world
    this.#scheduler = scheduler
    this.#choices = choices
    const pairs = Array.from({ length: traits.lanes }, (_, lane) => {
      const ends = [
        new LinkEnd(this, near, { scheduler, choices, traits, name: `${near.name} lane ${lane}` }),
        new LinkEnd(this, far, { scheduler, choices, traits, name: `${far.name} lane ${lane}` }),
      ] as const
      ends[0].peer = ends[1]
      ends[1].peer = ends[0]
      return ends
    })
    this.near = pairs.map(([end]) => end)
    this.far = pairs.map(([, end]) => end)
    near.onEnd(() => this.#died(this.near))
    far.onEnd(() => this.#died(this.far))
  }

  /** The connection breaks: both sides hear of it, each in its time; a part of what is under way may still arrive. */
  cut(): void {
    for (const end of [...this.near, ...this.far]) {
      this.#scheduler.in(this.#choices.below(50), `${end.name} is cut`, () => end.lose('The link was cut.'))
    }
  }

  stall(ms: number): void {
    this.#stalledUntilMs = this.#scheduler.nowMs + ms
  }

  /** How much longer nothing moves. */
  get stalledMs(): number {
    return Math.max(0, this.#stalledUntilMs - this.#scheduler.nowMs)
  }

  /** The system closes what a dead process had open; the peer hears of that, unless the wire is dead too. */
  #died(ends: readonly LinkEnd[]): void {
    for (const end of ends) {
      end.lose(ENDED)
      const { peer } = end
      if (!this.silent) this.#scheduler.in(this.#choices.below(20), `${peer.name} is gone`, () => peer.lose('gone'))
    }
  }
}

interface Sent {
  readonly bytes: Uint8Array
  readonly end: boolean
}

interface EndParts {
  readonly scheduler: Scheduler
  readonly choices: Choices
  readonly traits: LinkTraits
  readonly name: string
}

/** One end of one lane: a channel as the contract has it. */
export class LinkEnd implements Channel {
  readonly kind = 'simulated'
  readonly name: string
  readonly ended: Promise<unknown>
  peer!: LinkEnd
  /** Most bytes that were on their way from here at once. */
  mostBytes = 0
  readonly #link: Link
  readonly #parts: EndParts
  readonly #machine: Machine
  readonly #resolveEnded: (reason: unknown) => void
  readonly #out: Sent[] = []
  #outBytes = 0
  #isMoving = false
  #room: { go: () => void; stop: (reason: unknown) => void }[] = []
  #handler: ((bytes: Uint8Array) => Promise<void> | void) | undefined
  #isTaking = false
  #out_: 'open' | 'closed' = 'open'
  #in: 'open' | 'closed' = 'open'
  #end: { readonly reason: unknown } | undefined

  constructor(link: Link, machine: Machine, parts: EndParts) {
    this.#link = link
    this.#machine = machine
    this.#parts = parts
    this.name = parts.name
    let resolveEnded: (reason: unknown) => void = () => {}
    this.ended = new Promise((resolve) => {
      resolveEnded = resolve
    })
    this.#resolveEnded = resolveEnded
  }

  send(parts: readonly Uint8Array[]): Promise<void> {
    if (this.#end || this.#out_ === 'closed') return Promise.reject(this.#end?.reason ?? closed())
    const { choices, traits } = this.#parts
    const bytes = joined(parts)
    for (let from = 0; from < bytes.length; ) {
      const step = traits.cuts && choices.below(2) === 1 ? 1 + choices.below(bytes.length - from) : bytes.length - from
      this.#out.push({ bytes: bytes.subarray(from, from + step), end: false })
      from += step
    }
    this.#outBytes += bytes.length
    this.mostBytes = Math.max(this.mostBytes, this.#outBytes)
    this.#move()
    if (this.#outBytes <= traits.bufferBytes) return Promise.resolve()
    return new Promise((go, stop) => this.#room.push({ go, stop }))
  }

  receive(handler: (bytes: Uint8Array) => Promise<void> | void): void {
    if (this.#handler) throw new TypeError('somebody receives already')
    this.#handler = handler
    this.peer.#move()
  }

  async close(): Promise<void> {
    this.#sayEnd()
    await this.ended
  }

  abort(reason: unknown): void {
    if (this.#end) return
    this.#finish(reason ?? new StorageError('ABORTED'))
    if (this.#link.silent) return
    const { scheduler, choices } = this.#parts
    scheduler.in(choices.below(20), `${this.peer.name} is gone`, () => this.peer.lose('The peer has gone.'))
  }

  /** The peer is lost, whatever the reason is. */
  lose(why: string): void {
    if (!this.#end) this.#finish(new StorageError('PEER_LOST', why))
  }

  #sayEnd(): void {
    if (this.#end || this.#out_ === 'closed') return
    this.#out_ = 'closed'
    this.#out.push({ bytes: new Uint8Array(0), end: true })
    this.#move()
  }

  /** Brings the next piece over, when its time has come and it is wanted. */
  #move(): void {
    if (this.#isMoving || this.#out.length === 0 || this.peer.#isTaking || !this.peer.#handler) return
    this.#isMoving = true
    const { scheduler, choices, traits } = this.#parts
    const stalled = this.#link.stalledMs
    scheduler.in(stalled + choices.below(traits.latencyMs + 1), `${this.peer.name} hears`, () => {
      this.#isMoving = false
      if (this.#link.stalledMs > 0) return this.#move()
      if (this.#link.silent || this.#end) return
      const piece = this.#out.shift()
      if (!piece) return
      this.#outBytes -= piece.bytes.length
      this.peer.#take(piece)
      while (this.#room.length > 0 && this.#outBytes <= traits.bufferBytes) this.#room.shift()!.go()
      this.#move()
    })
  }

  #take({ bytes, end }: Sent): void {
    if (this.#end || !this.#machine.alive) return
    if (end) {
      this.#in = 'closed'
      this.#sayEnd()
      // The other direction may still carry something; it has ended once its own end is there.
      if (this.peer.#in === 'closed') {
        this.#finish(undefined)
        this.peer.#finish(undefined)
      }
      return
    }
    if (this.#link.flips > 0) {
      this.#link.flips--
      const at = this.#parts.choices.below(bytes.length * 8)
      bytes[at >> 3]! ^= 1 << (at & 7)
      this.#parts.scheduler.note(`bit ${at} of ${bytes.length * 8} is wrong`)
    }
    const taking = this.#handler!(this.#link.gaps > 0 ? this.#withGap(bytes) : bytes)
    if (!taking) return
    this.#isTaking = true
    const goOn = () => {
      this.#isTaking = false
      this.peer.#move()
    }
    taking.then(goOn, (reason) => this.abort(reason))
  }

  /** What follows comes at once, as if nothing were missing. Where whole frames are, both sides wait until somebody ends the connection. */
  #withGap(bytes: Uint8Array): Uint8Array {
    this.#link.gaps--
    const { choices, scheduler } = this.#parts
    const from = choices.below(bytes.length)
    const to = from + 1 + choices.below(bytes.length - from)
    scheduler.note(`bytes ${from} to ${to} of ${bytes.length} vanish`)
    scheduler.in(UNNOTICED_MS, 'nobody waits any longer', () => this.#link.cut())
    return joined([bytes.subarray(0, from), bytes.subarray(to)])
  }

  #finish(reason: unknown): void {
    if (this.#end) return
    this.#end = { reason }
    this.#out.length = 0
    for (const { stop } of this.#room.splice(0)) stop(reason ?? closed())
    this.#resolveEnded(reason)
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function closed(): StorageError {
  return new StorageError('CLOSED', 'The channel was closed.')
}
