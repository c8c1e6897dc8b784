import type { Clock } from '../async/clock.ts'
import { ACK_BYTES, ACK_RANGES } from './limits.ts'
import type { AckRange } from './packets/acks.ts'

/**
 * Writes of one device that were stored and not acknowledged yet. They share an answer, since each is a system call here and wakes the other
 * side: one for every `ACK_BYTES`, and one as soon as a task of the host has passed without another write.
 */
export class WriteAcks {
  readonly #clock: Clock
  readonly #send: (ranges: readonly AckRange[]) => void
  #ranges: AckRange[] = []
  #bytes = 0
  /** Writes stored so far. */
  #stored = 0
  #isWatching = false

  /** `send` gets at most `ACK_RANGES` at once; it must not throw. */
  constructor(clock: Clock, send: (ranges: readonly AckRange[]) => void) {
    this.#clock = clock
    this.#send = send
  }

  /** Request `id` has been stored, all of its bytes. */
  add(id: number, bytes: number): void {
    this.#stored++
    this.#bytes += bytes
    const last = this.#ranges.at(-1)
    if (last && last.firstId + last.count === id) this.#ranges.splice(-1, 1, { ...last, count: last.count + 1 })
    else this.#ranges.push({ firstId: id, count: 1 })
    if (this.#bytes >= ACK_BYTES) this.#flush()
    else if (!this.#isWatching) void this.#watch()
  }

  /** Waits until no further write is stored in a whole task; all that a socket has in store is read before the next one. */
  async #watch(): Promise<void> {
    this.#isWatching = true
    for (let seen = -1; seen !== this.#stored && this.#ranges.length > 0; ) {
      seen = this.#stored
      await this.#clock.yield()
    }
    this.#isWatching = false
    this.#flush()
  }

  #flush(): void {
    const ranges = this.#ranges
    this.#ranges = []
    this.#bytes = 0
    for (let first = 0; first < ranges.length; first += ACK_RANGES) this.#send(ranges.slice(first, first + ACK_RANGES))
  }
}
