import { Bitfield } from '../../../src/bitfield/bitfield.ts'
import type { ArrivingProvider } from '../../../src/modules/waiting-cache-remote.ts'
import type { TrackingStorageProvider } from '../../../src/storage/tracking-provider.ts'
import type { Geometry } from '../application.ts'
import type { Shadow } from '../shadow.ts'

type Note = (text: string) => void

/** How old what is read over there may be before the hand-over: no older than the source's dirty set that last voided the block. */
export class Freshness {
  readonly #blockSize: number
  readonly #shadow: Shadow
  readonly #since: number[]
  #syncedAt = 0

  constructor({ size, blockSize }: Geometry, shadow: Shadow) {
    this.#blockSize = blockSize
    this.#shadow = shadow
    this.#since = Array.from({ length: Math.ceil(size / blockSize) }, () => shadow.now())
  }

  /** Notes when a source takes its dirty set. */
  watchSource(remote: TrackingStorageProvider, note: Note): void {
    const sync = remote.sync.bind(remote)
    remote.sync = () => {
      this.#syncedAt = this.#shadow.now()
      note(`takes ${remote.dirtyBlocks} dirty blocks`)
      return sync()
    }
  }

  /** Notes which blocks are void. */
  watchDestination(remote: ArrivingProvider, note: Note): void {
    const invalidate = remote.invalidate.bind(remote)
    remote.invalidate = (blocks) => {
      const list = blocks instanceof Bitfield ? numbersOf(blocks) : [...blocks]
      for (const block of list) this.#since[block] = this.#syncedAt
      note(`blocks ${list.join(' ')} are void`)
      invalidate(list)
    }
  }

  /** The moment from which on a read of this range must see what is true. */
  since(offset: number, length: number): number {
    const [first, end] = [Math.floor(offset / this.#blockSize), Math.ceil((offset + length) / this.#blockSize)]
    return Math.min(...this.#since.slice(first, end))
  }
}

function numbersOf(blocks: Bitfield): number[] {
  const numbers: number[] = []
  for (let block = blocks.nextSet(0); block >= 0; block = blocks.nextSet(block + 1)) numbers.push(block)
  return numbers
}
