import { StorageError } from '../errors/storage-error.ts'
import { PENDING_REQUESTS } from './limits.ts'
import type { Packet } from './packets/packet.ts'

interface Waiting {
  readonly dev: number
  readonly resolve: (packet: Packet) => void
  readonly reject: (reason: unknown) => void
}

/** Highest request number; the next one is 1 again, since 0 means "pick one" to peers. */
const LAST_ID = 2 ** 32 - 1

/** Requests whose answer is awaited, by number. Numbers count through all devices, skip 0 and those still in use. */
export class PendingRequests {
  readonly #waiting = new Map<number, Waiting>()
  readonly #highestId: number
  #lastId: number
  #end: { readonly reason: unknown } | undefined

  /** The number before the first one, and the one before the wrap; for tests. */
  constructor(numbers: { lastId?: number; highestId?: number } = {}) {
    this.#lastId = numbers.lastId ?? 0
    this.#highestId = numbers.highestId ?? LAST_ID
  }

  get size(): number {
    return this.#waiting.size
  }

  /** A number for a packet that is not answered. */
  nextId(): number {
    do {
      this.#lastId = this.#lastId >= this.#highestId ? 1 : this.#lastId + 1
    } while (this.#waiting.has(this.#lastId))
    return this.#lastId
  }

  /** Opens a request. @throws StorageError `LIMIT_EXCEEDED`; the reason of the end. */
  open(dev: number): { id: number; answer: Promise<Packet> } {
    if (this.#end) throw this.#end.reason
    if (this.#waiting.size >= PENDING_REQUESTS) {
      throw new StorageError('LIMIT_EXCEEDED', `More than ${PENDING_REQUESTS} requests wait for an answer.`)
    }
    const id = this.nextId()
    const answer = new Promise<Packet>((resolve, reject) => this.#waiting.set(id, { dev, resolve, reject }))
    return { id, answer }
  }

  /** Nobody waits any more; an answer that comes is ignored. */
  forget(id: number): void {
    this.#waiting.delete(id)
  }

  /** Gives an answer to who waits for it; false when nobody does, or somebody who asked another device. */
  settle(dev: number, id: number, packet: Packet): boolean {
    const waiting = this.#waiting.get(id)
    if (waiting?.dev !== dev) return false
    this.#waiting.delete(id)
    waiting.resolve(packet)
    return true
  }

  /** Gives one answer to a range of requests; visits the range or what waits, whichever is shorter. */
  settleRange(dev: number, { firstId, count }: { firstId: number; count: number }, packet: Packet): void {
    if (count <= this.#waiting.size) {
      for (let id = firstId; id < firstId + count; id++) this.settle(dev, id, packet)
    } else {
      for (const id of [...this.#waiting.keys()]) {
        if (id >= firstId && id < firstId + count) this.settle(dev, id, packet)
      }
    }
  }

  /** Ends every wait, now and later, with the reason. */
  stop(reason: unknown): void {
    this.#end ??= { reason }
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of waiting) reject(reason)
  }
}
