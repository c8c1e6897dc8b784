import { Bitfield } from '../../../src/bitfield/bitfield.ts'
import type { ArrivingProvider } from '../../../src/modules/waiting-cache-remote.ts'
import type { Connection } from '../../../src/protocol/connection.ts'
import type { TrackingStorageProvider } from '../../../src/storage/tracking-provider.ts'
import type { Geometry } from '../application.ts'
import type { Shadow } from '../shadow.ts'

type Note = (text: string) => void

/**
 * How old what is read over there may be before the hand-over: no older than the source's dirty set that last had the block, from the moment the
 * destination says that it has heard of it, or does away with its copy.
 */
export class Freshness {
  readonly #blockSize: number
  readonly #shadow: Shadow
  readonly #since: number[]
  /** When the source last took a dirty set with this block. */
  readonly #dirtyAt: number[]
  #syncedAt = 0

  constructor({ size, blockSize }: Geometry, shadow: Shadow) {
    this.#blockSize = blockSize
    this.#shadow = shadow
    this.#since = Array.from({ length: Math.ceil(size / blockSize) }, () => shadow.now())
    this.#dirtyAt = [...this.#since]
  }

  /** Notes when a source takes its dirty set. */
  watchSource(remote: TrackingStorageProvider, note: Note): void {
    const sync = remote.sync.bind(remote)
    remote.sync = () => {
      this.#syncedAt = this.#shadow.now()
      note(`takes ${remote.dirtyBlocks} dirty blocks`)
      const dirty = sync()
      for (const block of numbersOf(dirty)) this.#dirtyAt[block] = this.#syncedAt
      return dirty
    }
  }

  /** Notes what the destination has answered. To be called at the source, with each connection. */
  watchConnection({ rw }: Connection): void {
    const request = rw.request.bind(rw)
    rw.request = async (dev, packet, options) => {
      const syncedAt = this.#syncedAt
      const answer = await request(dev, packet, options)
      if (answer.kind === 'dirty-list-response' && packet.kind === 'dirty-list') this.#void(packet.blocks, syncedAt)
      // What it has counts once it has been compared with what was sent since.
      if (answer.kind === 'begin-response' && answer.state !== 'owner')
        for (const [block, at] of this.#dirtyAt.entries()) this.#void([block], at)
      return answer
    }
  }

  /** Notes which blocks are void. */
  watchDestination(remote: ArrivingProvider, note: Note): void {
    const invalidate = remote.invalidate.bind(remote)
    remote.invalidate = (blocks) => {
      const list = blocks instanceof Bitfield ? numbersOf(blocks) : [...blocks]
      this.#void(list, this.#syncedAt)
      note(`blocks ${list.join(' ')} are void`)
      invalidate(list)
    }
  }

  /** Nothing is over there: whatever comes is read from now on. */
  beginAnew(): void {
    this.#since.fill(this.#shadow.now())
  }

  /** The moment from which on a read of this range must see what is true. */
  since(offset: number, length: number): number {
    const [first, end] = [Math.floor(offset / this.#blockSize), Math.ceil((offset + length) / this.#blockSize)]
    return Math.min(...this.#since.slice(first, end))
  }

  #void(blocks: Iterable<number>, at: number): void {
    for (const block of blocks) this.#since[block] = Math.max(this.#since[block]!, at)
  }
}

function numbersOf(blocks: Bitfield): number[] {
  const numbers: number[] = []
  for (let block = blocks.nextSet(0); block >= 0; block = blocks.nextSet(block + 1)) numbers.push(block)
  return numbers
}
