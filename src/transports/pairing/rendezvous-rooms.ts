import type { Clock } from '../../async/clock.ts'
import { MESSAGE_BYTES, MESSAGES, ROOM_MS } from './limits.ts'
import { CLOSE_CODE, readToRendezvous } from './rendezvous-messages.ts'

/** One client of a rendezvous, as its rooms see it. */
export interface Visitor {
  send(text: string): void
  close(code: number): void
}

interface Room {
  readonly host: Visitor
  guest: Visitor | undefined
  readonly closed: AbortController
}

/**
 * The rooms of a rendezvous: each has a host and at most one guest, and passes on what they say, unread. Nothing is kept of it, and nothing is
 * written down anywhere.
 */
export class RendezvousRooms {
  readonly #rooms = new Map<string, Room>()
  readonly #clock: Clock
  readonly #addresses: () => readonly string[]
  readonly #mostRooms: number

  /** `addresses`: of the page, told to hosts so that their link works elsewhere. */
  constructor(options: { clock: Clock; mostRooms: number; addresses?: () => readonly string[] }) {
    const { clock, mostRooms, addresses = () => [] } = options
    this.#clock = clock
    this.#addresses = addresses
    this.#mostRooms = mostRooms
  }

  /** Rooms with a host in them. */
  get size(): number {
    return this.#rooms.size
  }

  /** Takes a visitor at the door; what it says and that it left is told to the stay that comes back. */
  admit(visitor: Visitor): Stay {
    return new Stay(this, visitor)
  }

  /** A host opens a room. Returns it, or the close code that says why not. */
  open(name: string, host: Visitor): Room | number {
    if (this.#rooms.has(name)) return CLOSE_CODE.taken
    if (this.#rooms.size >= this.#mostRooms) return CLOSE_CODE.full
    const room: Room = { host, guest: undefined, closed: new AbortController() }
    this.#rooms.set(name, room)
    this.#clock.sleep(ROOM_MS, room.closed.signal).then(
      () => this.end(name, room, CLOSE_CODE.expired),
      () => {}, // The host left before.
    )
    host.send(JSON.stringify({ state: 'waiting', addresses: this.#addresses() }))
    return room
  }

  /** A guest enters. */
  enter(name: string, guest: Visitor): Room | number {
    const room = this.#rooms.get(name)
    if (!room) return CLOSE_CODE.noSuchRoom
    if (room.guest) return CLOSE_CODE.taken
    room.guest = guest
    guest.send(JSON.stringify({ state: 'together' }))
    return room
  }

  /** Ends a room for everybody in it. */
  end(name: string, room: Room, code: number): void {
    if (this.#rooms.get(name) === room) this.#rooms.delete(name)
    room.closed.abort()
    room.host.close(code)
    room.guest?.close(code)
  }
}

/** One visitor's time at the rendezvous. */
export class Stay {
  readonly #rooms: RendezvousRooms
  readonly #visitor: Visitor
  #place: { readonly name: string; readonly room: Room } | undefined
  #spoken = 0
  /** Whether this guest's host has heard of it: then it is missed when it leaves. */
  #isKnown = false

  constructor(rooms: RendezvousRooms, visitor: Visitor) {
    this.#rooms = rooms
    this.#visitor = visitor
  }

  /** Whether the visitor has said which room it wants. */
  get isInside(): boolean {
    return this.#place !== undefined
  }

  /** The visitor said something. */
  hear(text: string): void {
    const heard = text.length <= MESSAGE_BYTES ? readToRendezvous(text) : undefined
    if (text.length > MESSAGE_BYTES) this.#visitor.close(CLOSE_CODE.tooMuch)
    else if (!heard || (heard.type === 'enter') === this.isInside) this.#visitor.close(CLOSE_CODE.malformed)
    else if (heard.type === 'message') this.#pass(heard.message)
    else {
      const place =
        heard.as === 'host' ? this.#rooms.open(heard.room, this.#visitor) : this.#rooms.enter(heard.room, this.#visitor)
      if (typeof place === 'number') this.#visitor.close(place)
      else this.#place = { name: heard.room, room: place }
    }
  }

  /** The visitor is gone. A host takes its room along; a guest frees its place, as long as it has said nothing. */
  left(): void {
    if (!this.#place) return
    const { name, room } = this.#place
    if (room.host === this.#visitor || this.#isKnown) this.#rooms.end(name, room, CLOSE_CODE.partnerLeft)
    else if (room.guest === this.#visitor) room.guest = undefined
  }

  #pass(message: string): void {
    const { room } = this.#place!
    const other = room.host === this.#visitor ? room.guest : room.host
    if (++this.#spoken > MESSAGES) this.#visitor.close(CLOSE_CODE.tooMuch)
    else if (other) {
      this.#isKnown = true
      other.send(JSON.stringify({ message }))
    } // A host that speaks to an empty room, as when its guest has just left, is not heard.
  }
}
