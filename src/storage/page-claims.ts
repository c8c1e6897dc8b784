import type { Bitfield } from '../bitfield/bitfield.ts'
import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { type BlockDigests, PAGE_BLOCKS } from './block-digests.ts'
import { type BlockHasher, DIGEST_BYTES } from './block-hasher.ts'

/** Bytes of the bits of a page. */
export const PAGE_BITS_BYTES = PAGE_BLOCKS / 8

/**
 * What is known of the blocks of one page, as it is stored and sent.
 *
 * ```
 *   known    32 bytes    block i of the page is bit i % 8 of byte i / 8
 *   digests  4096 bytes  16 for each block, zero where it is not known
 * ```
 */
export interface PageLeaves {
  readonly known: Uint8Array
  readonly digests: Uint8Array
}

/** The claim of a page of which all is known to be zero: an empty disk of a terabyte has 65536 of them. */
const zeroClaims = new WeakMap<BlockHasher, Uint8Array>()

/**
 * One digest for all that is known of each of neighbouring pages, one behind the other, owned by the caller: equal claims of two sides mean that both
 * know the same blocks with the same content. H( known | digests ) as in {@link PageLeaves}; sixteen zero bytes where nothing is known.
 */
export function pageClaims(digests: BlockDigests, first: number, count: number): Uint8Array {
  const { known, blockCount } = digests
  const claims = new Uint8Array(count * DIGEST_BYTES)
  const last = first + count
  // The last page of the disk may be shorter than others, and claims something else.
  const whole = Math.min(last, Math.floor(blockCount / PAGE_BLOCKS))
  for (let page = first; page < last; ) {
    const at = (page - first) * DIGEST_BYTES
    const zeroEnd = page < whole ? digests.knownZeroEnd(page, whole) : page
    if (zeroEnd > page) fill(claims, at, (zeroEnd - first) * DIGEST_BYTES, zeroClaim(digests, page))
    else {
      const { start, end } = range(known, page)
      if (known.nextSet(start, end) >= 0) claims.set(hashPage(digests, page), at)
    }
    page = Math.max(zeroEnd, page + 1)
  }
  return claims
}

/** What is known of a page, copied. */
export function pageLeaves({ known, tree }: BlockDigests, page: number): PageLeaves {
  const digests = new Uint8Array(PAGE_BLOCKS * DIGEST_BYTES)
  const stored = tree.page(page)
  if (stored) {
    digests.set(stored)
    const { start, end } = range(known, page)
    for (let from = known.nextClear(start, end); from < end; ) {
      const next = known.nextSet(from, end)
      const to = next < 0 ? end : next
      digests.fill(0, (from - start) * DIGEST_BYTES, (to - start) * DIGEST_BYTES)
      from = known.nextClear(to, end)
    }
  }
  return { known: pageBits(known, page), digests }
}

/** The bits of a page out of a field that has one for each block, in the form of {@link PageLeaves}. */
export function pageBits(field: Bitfield, page: number): Uint8Array {
  const bits = new Uint8Array(PAGE_BITS_BYTES)
  const { start, end } = range(field, page)
  for (let from = field.nextSet(start, end); from >= 0; ) {
    const to = field.nextClear(from, end)
    for (let bit = from - start; bit < to - start; bit++) bits[bit >> 3]! |= 1 << (bit & 7)
    from = field.nextSet(to, end)
  }
  return bits
}

/**
 * Takes over what was known of a page before, as {@link pageLeaves} gave it; what is known beside it stays. It counts neither as changed nor as
 * unflushed, and is copied. The caller answers for it: nothing is compared with what is stored.
 */
export function restorePage(digests: BlockDigests, page: number, leaves: PageLeaves): void {
  if (leaves.known.length !== PAGE_BITS_BYTES || leaves.digests.length !== PAGE_BLOCKS * DIGEST_BYTES) {
    const expected = `${PAGE_BITS_BYTES} and ${PAGE_BLOCKS * DIGEST_BYTES} bytes`
    throw new InvalidArgumentError('leaves', expected, leaves.known.length)
  }
  const { start, end } = range(digests.known, page)
  const isKnown = (bit: number) => (leaves.known[bit >> 3]! & (1 << (bit & 7))) !== 0
  for (let from = 0; from < end - start; from++) {
    if (!isKnown(from)) continue
    let to = from + 1
    while (to < end - start && isKnown(to)) to++
    digests.restoreRun(start + from, leaves.digests.subarray(from * DIGEST_BYTES, to * DIGEST_BYTES))
    from = to
  }
}

/** That of `page`, of which all is known to be zero, and of all such. */
function zeroClaim(digests: BlockDigests, page: number): Uint8Array {
  let claim = zeroClaims.get(digests.hasher)
  if (!claim) {
    claim = hashPage(digests, page)
    zeroClaims.set(digests.hasher, claim)
  }
  return claim
}

/** Repeats a pattern from `start` to before `end`, a multiple of its length. */
function fill(bytes: Uint8Array, start: number, end: number, pattern: Uint8Array): void {
  bytes.set(pattern, start)
  for (let done = pattern.length; done < end - start; done *= 2) {
    bytes.copyWithin(start + done, start, start + Math.min(done, end - start - done))
  }
}

function hashPage(digests: BlockDigests, page: number): Uint8Array {
  const leaves = pageLeaves(digests, page)
  const bytes = new Uint8Array(PAGE_BITS_BYTES + PAGE_BLOCKS * DIGEST_BYTES)
  bytes.set(leaves.known)
  bytes.set(leaves.digests, PAGE_BITS_BYTES)
  return digests.hasher.hash(bytes)
}

function range(field: Bitfield, page: number): { start: number; end: number } {
  const start = page * PAGE_BLOCKS
  return { start, end: Math.min(start + PAGE_BLOCKS, field.length) }
}
