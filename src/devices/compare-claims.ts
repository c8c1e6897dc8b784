import { Bitfield } from '../bitfield/bitfield.ts'
import type { HandOverRequests } from '../protocol/hand-over-requests.ts'
import { CLAIMED_PAGES, KEPT_RANGES, LEAF_PAGES } from '../protocol/limits.ts'
import { CLAIM_BYTES, type DigestLevel, LEAVES_BYTES } from '../protocol/packets/read-digests.ts'
import { BlockDigests, PAGE_BLOCKS } from '../storage/block-digests.ts'
import type { BlockHasher } from '../storage/block-hasher.ts'
import { PAGE_BITS_BYTES, pageClaims, restorePage } from '../storage/page-claims.ts'
import { DIGEST_REQUESTS } from './limits.ts'

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

/** Neighbouring pages, from `first` to before `end`. */
interface PageRun {
  readonly first: number
  readonly end: number
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
    const { pageCount } = this.#options.digests
    await this.#ask('claims', pieces({ first: 0, end: pageCount }, CLAIMED_PAGES), async (first, claims) => {
      const differing = this.#compare(first, claims)
      await this.#sendKept(KEPT_RANGES / 2)
      await this.#ask('leaves', differing, (first, leaves) => this.#look(first, leaves))
    })
    await this.#sendKept(0)
  }

  /** Asks for some pages after the other, a few requests ahead: a link with a long way would make each of them wait. */
  async #ask(
    level: DigestLevel,
    pages: Iterable<PageRun>,
    answered: (first: number, answer: Uint8Array) => Promise<void>,
  ): Promise<void> {
    const { requests } = this.#options
    const waiting: { first: number; answer: Promise<Uint8Array> }[] = []
    const next = async () => {
      const { first, answer } = waiting.shift()!
      await answered(first, await answer)
    }
    for (const { first, end } of pages) {
      if (waiting.length === DIGEST_REQUESTS) await next()
      const answer = requests.readDigests(level, first, end - first)
      answer.catch(() => {}) // Heard when its turn comes, or after an earlier one that failed.
      waiting.push({ first, answer })
    }
    while (waiting.length > 0) await next()
  }

  /** Keeps what is the same; returns the pages to be looked at block by block. */
  #compare(first: number, theirs: Uint8Array): PageRun[] {
    const { digests } = this.#options
    const count = theirs.length / CLAIM_BYTES
    const [ours, said] = [words(pageClaims(digests, first, count)), words(theirs)]
    const differing: PageRun[] = []
    for (let page = 0; page < count; ) {
      const from = page
      const kind = kindOf(ours, said, page)
      while (page < count && kindOf(ours, said, page) === kind) page++
      const run = { first: first + from, end: first + page }
      if (kind === 'same') this.#keepKnown(run)
      else if (kind === 'differing') differing.push(...pieces(run, LEAF_PAGES))
    }
    return differing
  }

  /** Block by block. */
  async #look(first: number, leaves: Uint8Array): Promise<void> {
    for (let at = 0, page = first; at < leaves.length; at += LEAVES_BYTES, page++) {
      const known = leaves.subarray(at, at + PAGE_BITS_BYTES)
      this.#lookAt(page, known, leaves.subarray(at + PAGE_BITS_BYTES, at + LEAVES_BYTES))
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
    restorePage(this.#claims, page, { known: open, digests: theirs })
  }

  #keepKnown(pages: PageRun): void {
    const { known, blockCount } = this.#options.digests
    const end = Math.min(pages.end * PAGE_BLOCKS, blockCount)
    // Looked for within these only: behind the last known one a terabyte of bits may be clear.
    for (let from = known.nextSet(pages.first * PAGE_BLOCKS, end); from >= 0; ) {
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

/** Cuts neighbouring pages into pieces of at most `most`. */
function* pieces({ first, end }: PageRun, most: number): Generator<PageRun> {
  for (let from = first; from < end; from += most) yield { first: from, end: Math.min(from + most, end) }
}

const CLAIM_WORDS = CLAIM_BYTES / 4

/** A view; of bytes that lie unaligned, a copy. */
function words(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4)
}

/** What two sides say of a page; `nothing`: the other side knows nothing of it, which is a claim of zeroes. */
function kindOf(ours: Uint32Array, theirs: Uint32Array, page: number): 'same' | 'nothing' | 'differing' {
  const end = (page + 1) * CLAIM_WORDS
  let different = 0
  let any = 0
  for (let at = page * CLAIM_WORDS; at < end; at++) {
    different |= ours[at]! ^ theirs[at]!
    any |= theirs[at]!
  }
  return different === 0 ? 'same' : any === 0 ? 'nothing' : 'differing'
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  for (let index = 0; index < CLAIM_BYTES; index++) if (left[index] !== right[index]) return false
  return true
}
