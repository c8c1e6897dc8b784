import { type Random, seededRandom } from '../async/random.ts'

/** Blocks of a page of counters. */
const PAGE_BLOCKS = 4096

/** Largest level of a 4-bit counter. */
export const HIGHEST_LEVEL = 15

/** Levels up to here are exact counts; above, each level stands for twice as many writes as the one before. */
const EXACT_LEVELS = 7

/** The level of half as many writes. Levels from 8 on stand for 9, 13, 21, 37, 69, 133, 261 and 517 writes. */
const HALVED = [0, 0, 1, 1, 2, 2, 3, 3, 4, 7, 8, 10, 11, 12, 13, 14]

/**
 * One 4-bit count of recent writes for each block, in pages that exist once a block of theirs was written: nothing for an idle disk, half a byte a
 * block at worst (8 MiB for 2^24 blocks).
 *
 * ```
 *   byte      0          1          2
 *          ┌────┬────┐┌────┬────┐┌────┬────
 *   block  │  1 │  0 ││  3 │  2 ││  5 │  4  …   high and low nibble
 *          └────┴────┘└────┴────┘└────┴────
 * ```
 * Levels 0 to 7 are counts. A level above grows with probability 2^-(level - 6), so that level 15 stands for about 500 writes:
 * approximate counting after Morris, "Counting large numbers of events in small registers", CACM 21 (1978).
 */
export class WriteCounters {
  readonly #pages: (Uint8Array | undefined)[]
  readonly #random: Random

  constructor(numBlocks: number, random: Random = seededRandom(1)) {
    this.#pages = new Array(Math.ceil(numBlocks / PAGE_BLOCKS)).fill(undefined)
    this.#random = random
  }

  /** Bytes of counters kept now. */
  get byteLength(): number {
    return this.#pages.reduce((bytes, page) => bytes + (page?.length ?? 0), 0)
  }

  /** 0 for a block without recent writes, up to {@link HIGHEST_LEVEL}. */
  level(block: number): number {
    const page = this.#pages[(block / PAGE_BLOCKS) | 0]
    if (!page) return 0
    const inPage = block % PAGE_BLOCKS
    return (page[inPage >> 1]! >> ((inPage & 1) << 2)) & 15
  }

  /** Counts one write of a block. */
  record(block: number): void {
    const inPage = block % PAGE_BLOCKS
    let page = this.#pages[(block / PAGE_BLOCKS) | 0]
    if (!page) {
      page = new Uint8Array(PAGE_BLOCKS / 2)
      this.#pages[(block / PAGE_BLOCKS) | 0] = page
    }
    const shift = (inPage & 1) << 2
    const level = (page[inPage >> 1]! >> shift) & 15
    if (level === HIGHEST_LEVEL) return
    if (level >= EXACT_LEVELS && this.#random() >= 2 ** (EXACT_LEVELS - 1 - level)) return
    page[inPage >> 1]! += 1 << shift
  }

  /** Halves what each level stands for, and drops pages without a count. */
  halve(): void {
    for (let index = 0; index < this.#pages.length; index++) {
      const page = this.#pages[index]
      if (!page) continue
      let any = 0
      for (let at = 0; at < page.length; at++) {
        const pair = page[at]!
        if (pair === 0) continue
        const halved = HALVED[pair & 15]! | (HALVED[pair >> 4]! << 4)
        page[at] = halved
        any |= halved
      }
      if (any === 0) this.#pages[index] = undefined
    }
  }
}
