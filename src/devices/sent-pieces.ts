import { PIECE_BYTES } from '../protocol/packets/write-patch.ts'
import type { BlockHasher } from '../storage/block-hasher.ts'
import { SENT_PAGES } from './limits.ts'

/** Bytes of a digest of a piece: the first half of its XXH128. What passes it by accident is found by the digest of the whole block. */
export const PIECE_DIGEST_BYTES = 8

/** Pieces of a page, 16 MiB of a disk. */
const PAGE_PIECES = 4096

/**
 * Digests of the pieces of blocks that were sent, so that of a block that is sent again only what has changed need travel. They are kept by pages of
 * 16 MiB of the disk, 32 KiB each; of more than `SENT_PAGES` pages the one that was sent longest ago is forgotten.
 */
export class SentPieces {
  readonly #hasher: BlockHasher
  readonly #pagesKept: number
  /** From the one that was sent longest ago; eight zero bytes where nothing is known. */
  readonly #pages = new Map<number, Uint8Array>()

  constructor(hasher: BlockHasher, pagesKept = SENT_PAGES) {
    this.#hasher = hasher
    this.#pagesKept = pagesKept
  }

  /** The digests of the pieces of these bytes, owned by the caller. */
  hash(bytes: Uint8Array): Uint8Array {
    const digests = new Uint8Array(Math.ceil(bytes.length / PIECE_BYTES) * PIECE_DIGEST_BYTES)
    for (let from = 0, at = 0; from < bytes.length; from += PIECE_BYTES, at += PIECE_DIGEST_BYTES) {
      const digest = this.#hasher.hash(bytes.subarray(from, from + PIECE_BYTES))
      digests.set(digest.subarray(0, PIECE_DIGEST_BYTES), at)
    }
    return digests
  }

  /** Notes what was sent from a piece on, and stored; the digests are copied. */
  keep(piece: number, digests: Uint8Array): void {
    this.#forEachPart(piece, digests.length, (number, at, { from, to }) => {
      let page = this.#pages.get(number)
      // The page that was sent last is the last to go.
      if (page) this.#pages.delete(number)
      else page = new Uint8Array(PAGE_PIECES * PIECE_DIGEST_BYTES)
      this.#pages.set(number, page)
      page.set(digests.subarray(from, to), at)
    })
    for (const number of this.#pages.keys()) {
      if (this.#pages.size <= this.#pagesKept) break
      this.#pages.delete(number)
    }
  }

  /** Whatever is at the other side from a piece on is not what was sent before. */
  forget(piece: number, count: number): void {
    this.#forEachPart(piece, count * PIECE_DIGEST_BYTES, (number, at, { from, to }) => {
      this.#pages.get(number)?.fill(0, at, at + to - from)
    })
  }

  /** What is known of `count` pieces from one on, to look at; undefined when nothing is. They lie within a page. */
  at(piece: number, count: number): Uint8Array | undefined {
    const at = (piece % PAGE_PIECES) * PIECE_DIGEST_BYTES
    const known = this.#pages.get(Math.floor(piece / PAGE_PIECES))?.subarray(at, at + count * PIECE_DIGEST_BYTES)
    return known?.some((byte) => byte !== 0) ? known : undefined
  }

  #forEachPart(
    piece: number,
    bytes: number,
    visit: (page: number, at: number, part: { from: number; to: number }) => void,
  ): void {
    let at = (piece % PAGE_PIECES) * PIECE_DIGEST_BYTES
    for (let from = 0, page = Math.floor(piece / PAGE_PIECES); from < bytes; page++, at = 0) {
      const to = Math.min(bytes, from + PAGE_PIECES * PIECE_DIGEST_BYTES - at)
      visit(page, at, { from, to })
      from = to
    }
  }
}
