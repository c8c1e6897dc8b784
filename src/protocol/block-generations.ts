import { StorageError } from '../errors/storage-error.ts'

/** Blocks whose generations share a page: a disk that is written in few places costs few pages. */
const PAGE_BLOCKS = 65536

/** Generations that a byte tells apart. */
const KEPT = 255

/**
 * The generation of each block: how many dirty lists there had been when it was last named by one. A write of an older generation brings
 * bytes that are void.
 *
 * One byte a block, in pages that exist once one of their blocks was named: nothing at all for a disk nobody writes to, 16 MiB at most for
 * 1 TiB of 64 KiB blocks. A byte counts from `#base`; 0 means that or older. Writes 128 generations late cannot happen, as a peer waits for
 * every write before it sends the next list.
 */
export class BlockGenerations {
  readonly #pages = new Map<number, Uint8Array>()
  #base = 0
  #current = 0

  get current(): number {
    return this.#current
  }

  /** A dirty list names these blocks. */
  raise(blocks: Uint32Array): void {
    this.#current++
    if (this.#current - this.#base > KEPT) this.#rebase(this.#current - Math.ceil(KEPT / 2))
    const value = this.#current - this.#base
    for (const block of blocks) {
      const number = Math.floor(block / PAGE_BLOCKS)
      let page = this.#pages.get(number)
      if (!page) {
        page = new Uint8Array(PAGE_BLOCKS)
        this.#pages.set(number, page)
      }
      page[block % PAGE_BLOCKS] = value
    }
  }

  /**
   * The parts of `[start, end)` whose blocks are no newer than a write of this generation, ascending.
   * @throws StorageError `MALFORMED` for a generation that has not begun or is long over
   */
  writable(generation: number, start: number, end: number): readonly (readonly [start: number, end: number])[] {
    if (generation > this.#current || (generation < this.#base && this.#pages.size > 0)) {
      throw new StorageError('MALFORMED', 'The peer writes blocks of a generation that is not now.', {
        context: { generation, current: this.#current },
      })
    }
    if (generation === this.#current || this.#pages.size === 0) return [[start, end]]
    const least = generation - this.#base
    const runs: [number, number][] = []
    let from = start
    for (let block = start; block < end; block++) {
      const page = this.#pages.get(Math.floor(block / PAGE_BLOCKS))
      if (!page || page[block % PAGE_BLOCKS]! <= least) continue
      if (from < block) runs.push([from, block])
      from = block + 1
    }
    if (from < end) runs.push([from, end])
    return runs
  }

  #rebase(base: number): void {
    const lost = base - this.#base
    this.#base = base
    for (const page of this.#pages.values()) {
      for (let index = 0; index < page.length; index++) page[index] = Math.max(0, page[index]! - lost)
    }
  }
}
