import { HEAT_SHIFT, HOLDS_DATA } from '../block-byte.ts'

/** Snapshots on their way to the page or being drawn. With both out the page is busy, and a snapshot more would only queue up. */
const BUFFERS = 2

/** Where the states and the heat of blocks are read from. */
export interface BlockWatch {
  /** Writes the state number of each block. */
  states(target: Uint8Array): void
  /** Recent writes of a block, 0 to 15. */
  heat(block: number): number
}

/** Makes the pictures that the page draws, in buffers that travel back and forth. */
export class Snapshots {
  /** Which blocks hold data: 1 or 0. */
  readonly #data: Uint8Array
  readonly #free: Uint8Array[]

  constructor(blocks: number) {
    this.#data = new Uint8Array(blocks)
    this.#free = Array.from({ length: BUFFERS }, () => new Uint8Array(blocks))
  }

  /** Notes that blocks hold data. */
  noteData(start: number, end: number): void {
    this.#data.fill(1, start, end)
  }

  /** A picture of now; undefined while the page has not given one back, unless it must be. The caller transfers it. */
  take(watch: BlockWatch | undefined, { must = false } = {}): Uint8Array | undefined {
    const blocks = this.#free.pop() ?? (must ? new Uint8Array(this.#data.length) : undefined)
    if (!blocks) return undefined
    if (watch) watch.states(blocks)
    else blocks.fill(0)
    for (let block = 0; block < blocks.length; block++) {
      if (this.#data[block]) blocks[block]! |= HOLDS_DATA
      if (watch) blocks[block]! |= watch.heat(block) << HEAT_SHIFT
    }
    return blocks
  }

  /** Takes a buffer back; one of an earlier run has another length and is dropped. */
  giveBack(blocks: Uint8Array): void {
    if (blocks.length === this.#data.length && this.#free.length < BUFFERS) this.#free.push(blocks)
  }
}
