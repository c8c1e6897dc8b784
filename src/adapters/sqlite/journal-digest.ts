import { StorageError } from '../../errors/storage-error.ts'
import { type BlockHasher, DIGEST_BYTES } from '../../storage/block-hasher.ts'
import { after, repeat, type Soon } from './in-turn.ts'
import { JOURNAL_PIECE } from './limits.ts'

/**
 * Digest of a journal that grows at its end: that of the digests of its pieces of `JOURNAL_PIECE` bytes, the last one as long as it is. The last piece
 * is kept, so that it need not be read again.
 */
export class JournalDigest {
  readonly #hasher: BlockHasher
  readonly #last = new Uint8Array(JOURNAL_PIECE)
  readonly #digests: Uint8Array[] = []
  #bytes = 0

  constructor(hasher: BlockHasher) {
    this.#hasher = hasher
  }

  get bytes(): number {
    return this.#bytes
  }

  clear(): void {
    this.#digests.length = 0
    this.#bytes = 0
  }

  /**
   * Takes what is written at an offset that lies in the last piece or at the end.
   * @throws StorageError `NOT_SUPPORTED` elsewhere: journals that are written over are not kept by this layout
   */
  write(data: Uint8Array, offset: number): void {
    const pieceStart = this.#digests.length * JOURNAL_PIECE
    if (offset < pieceStart || offset > this.#bytes) {
      throw new StorageError('NOT_SUPPORTED', 'A journal is only written at its end here.')
    }
    for (let from = 0; from < data.length; ) {
      const at = offset + from - this.#digests.length * JOURNAL_PIECE
      const length = Math.min(data.length - from, JOURNAL_PIECE - at)
      this.#last.set(data.subarray(from, from + length), at)
      from += length
      this.#bytes = Math.max(this.#bytes, offset + from)
      if (at + length === JOURNAL_PIECE) this.#digests.push(this.#hasher.hash(this.#last))
    }
  }

  digest(): Uint8Array {
    const rest = this.#bytes - this.#digests.length * JOURNAL_PIECE
    const count = this.#digests.length + (rest > 0 ? 1 : 0)
    const all = new Uint8Array(count * DIGEST_BYTES)
    for (const [index, digest] of this.#digests.entries()) all.set(digest, index * DIGEST_BYTES)
    if (rest > 0) all.set(this.#hasher.hash(this.#last.subarray(0, rest)), (count - 1) * DIGEST_BYTES)
    return this.#hasher.hash(all)
  }

  /** Takes so many bytes of a journal that is there. */
  load(bytes: number, read: (target: Uint8Array, offset: number) => Soon<void>): Soon<void> {
    this.clear()
    const piece = new Uint8Array(JOURNAL_PIECE)
    return repeat(() => {
      const length = Math.min(JOURNAL_PIECE, bytes - this.#bytes)
      if (length === 0) return false
      const part = piece.subarray(0, length)
      return after(read(part, this.#bytes), () => {
        this.write(part, this.#bytes)
        return true
      })
    })
  }
}
