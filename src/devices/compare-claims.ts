import { Bitfield } from '../bitfield/bitfield.ts'
import type { HandOverRequests } from '../protocol/hand-over-requests.ts'
import { CLAIMED_PAGES, KEPT_RANGES, LEAF_PAGES } from '../protocol/limits.ts'
import { CLAIM_BYTES, LEAVES_BYTES } from '../protocol/packets/read-digests.ts'
import { BlockDigests, PAGE_BITS_BYTES, PAGE_BLOCKS } from '../storage/block-digests.ts'
import type { BlockHasher } from '../storage/block-hasher.ts'

/** What is compared. */
export interface CompareClaimsOptions {
  readonly requests: HandOverRequests
  /** What is known here of the blocks as they are now. */
  readonly digests: BlockDigests
  readonly blockSize: number
  readonly size: number
  readonly hasher: BlockHasher
  /**
   * The destination owns the disk: what it has is right, whatever it is. Default: it keeps what is equal, and has to be told.
   */
  readonly isOwner?: boolean
}

/** What has to be moved. */
export interface ComparedClaims {
  /** Blocks that are to be sent, or read and compared. The caller frees it. */
  readonly toSend: Bitfield
  /** The destination's word on those of them of which nothing is known here; undefined for none. The caller frees it. */
  readonly claims: BlockDigests | undefined
  readonly blocksKept: number
}

/**
 * Finds out which blocks the destination lacks, by comparing digests: page by page, and block by block where pages differ. What it holds
 * rightly it is told to keep. Tracking must be on for all blocks before.
 */
export async function compareClaims(options: CompareClaimsOptions): Promise<ComparedClaims> {
  const compared = new Comparison(options)
  try {
    await compared.run()
    return compared.result()
  } catch (error) {
    compared.free()
    throw error
  }
}

class Comparison {
  readonly #options: CompareClaimsOptions
  readonly #toSend: Bitfield
  #claims: BlockDigests | undefined
  #kept: { first: number; count: number }[] = []
  #blocksKept = 0

  constructor(options: CompareClaimsOptions) {
    this.#options = options
    this.#toSend = new Bitfield(options.digests.blockCount)
    this.#toSend.setRange(0, this.#toSend.length)
  }

  result(): ComparedClaims {
    return { toSend: this.#toSend, claims: this.#claims, blocksKept: this.#blocksKept }
  }

  free(): void {
    this.#toSend.free()
    this.#claims?.free()
  }

  async run(): Promise<void> {
    const { requests, digests } = this.#options
    for (let first = 0; first < digests.pageCount; first += CLAIMED_PAGES) {
      const count = Math.min(CLAIMED_PAGES, digests.pageCount - first)
      const claims = await requests.readDigests('claims', first, count)
      let differing: number[] = []
      for (let index = 0; index < count; index++) {
        const theirs = claims.subarray(index * CLAIM_BYTES, (index + 1) * CLAIM_BYTES)
        if (isSame(theirs, digests.pageClaim(first + index))) this.#keepKnown(first + index)
        else if (!isSame(theirs, NOTHING)) differing.push(first + index)
        const isLast = index === count - 1
        const hasGap = differing.length > 0 && differing.at(-1)! < first + index
        if (differing.length > 0 && (isLast || hasGap || differing.length === LEAF_PAGES)) {
          await this.#look(differing[0]!, differing.length)
          differing = []
        }
      }
      await this.#sendKept(0)
    }
  }

  /** Block by block. */
  async #look(first: number, count: number): Promise<void> {
    const pages = await this.#options.requests.readDigests('leaves', first, count)
    for (let index = 0; index < count; index++) {
      const page = pages.subarray(index * LEAVES_BYTES, (index + 1) * LEAVES_BYTES)
      this.#lookAt(first + index, page.subarray(0, PAGE_BITS_BYTES), page.subarray(PAGE_BITS_BYTES))
    }
    await this.#sendKept(KEPT_RANGES / 2)
  }

  #lookAt(page: number, known: Uint8Array, theirs: Uint8Array): void {
    const { digests, isOwner = false } = this.#options
    const open = new Uint8Array(PAGE_BITS_BYTES)
    let hasOpen = false
    const start = page * PAGE_BLOCKS
    const end = Math.min(start + PAGE_BLOCKS, digests.blockCount)
    for (let block = start, bit = 0; block < end; block++, bit++) {
      if ((known[bit >> 3]! & (1 << (bit & 7))) === 0) continue
      if (isOwner) this.#keep(block, 1)
      else if (!digests.isKnown(block)) {
        open[bit >> 3]! |= 1 << (bit & 7)
        hasOpen = true
      } else if (isSame(digests.digestAt(block)!, theirs.subarray(bit * CLAIM_BYTES, (bit + 1) * CLAIM_BYTES))) {
        this.#keep(block, 1)
      }
    }
    if (!hasOpen) return
    const { size, blockSize, hasher } = this.#options
    this.#claims ??= new BlockDigests(size, blockSize, hasher)
    this.#claims.restore(page, { known: open, digests: theirs })
  }

  #keepKnown(page: number): void {
    const { known, blockCount } = this.#options.digests
    const end = Math.min((page + 1) * PAGE_BLOCKS, blockCount)
    // Looked for within the page only: behind the last known one a terabyte of bits may be clear.
    for (let from = known.nextSet(page * PAGE_BLOCKS, end); from >= 0; ) {
      const to = known.nextClear(from, end)
      this.#keep(from, to - from)
      from = known.nextSet(to, end)
    }
  }

  #keep(first: number, count: number): void {
    this.#toSend.clearRange(first, first + count)
    this.#blocksKept += count
    const last = this.#kept.at(-1)
    if (last && last.first + last.count === first) last.count += count
    else this.#kept.push({ first, count })
  }

  async #sendKept(limit: number): Promise<void> {
    if (this.#kept.length <= limit) return
    const kept = this.#kept
    this.#kept = []
    if (this.#options.isOwner) return
    for (let from = 0; from < kept.length; from += KEPT_RANGES) {
      await this.#options.requests.keep(kept.slice(from, from + KEPT_RANGES))
    }
  }
}

/** The claim of a page of which nothing is known. */
const NOTHING = new Uint8Array(CLAIM_BYTES)

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  for (let index = 0; index < CLAIM_BYTES; index++) if (left[index] !== right[index]) return false
  return true
}
