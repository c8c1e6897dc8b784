import { errorCode } from '../errors/storage-error.ts'
import { PATCH_BYTES } from '../protocol/limits.ts'
import { PIECE_BYTES } from '../protocol/packets/write-patch.ts'
import { mapBytes } from '../protocol/patched-blocks.ts'
import { type BlockHasher, DIGEST_BYTES } from '../storage/block-hasher.ts'
import type { BlockIoOptions } from '../storage/provider.ts'
import { UNWRITTEN_BYTES } from './limits.ts'
import type { OrderedDestination } from './ordered-destination.ts'
import { PIECE_DIGEST_BYTES, SentPieces } from './sent-pieces.ts'

/** Whole blocks to be sent, with their digests. */
interface Blocks {
  readonly data: Uint8Array
  readonly offset: number
  readonly options: BlockIoOptions & { digests: Uint8Array }
}

/** Neighbouring blocks that go the same way. */
interface Part {
  /** Bytes of the blocks, from the start of all of them. */
  readonly from: number
  to: number
  readonly isPatch: boolean
}

/** What a destination that patches is sent through, and what is known of its disk. */
export interface PatchingParts {
  readonly to: OrderedDestination
  readonly hasher: BlockHasher
  readonly blockSize: number
  /** Whether the disk is being written: what nobody writes is not sent again, and need not be remembered. */
  readonly isWritten: () => boolean
}

/**
 * Sends blocks again as patches: only the pieces of 4 KiB that have changed since, as long as those are fewer than half. A program that writes 4 KiB here and
 * there makes a sixteenth of a usual block dirty, and all of it would travel. What the destination cannot patch is sent whole.
 */
export class PatchingDestination {
  readonly #parts: PatchingParts
  readonly #sent: SentPieces
  #isWritten = false
  #unwrittenBytes = 0
  #isOver = false

  constructor(parts: PatchingParts, sent = new SentPieces(parts.hasher)) {
    this.#parts = parts
    this.#sent = sent
  }

  /** Whether blocks of this size have pieces, and are patched in memory. */
  static takes(blockSize: number): boolean {
    return blockSize > PIECE_BYTES && blockSize <= PATCH_BYTES
  }

  /** From here on blocks go as they are: the destination may write its own. */
  end(): void {
    this.#isOver = true
  }

  /** The destination has something else there. */
  forget(offset: number, length: number): void {
    this.#sent.forget(offset / PIECE_BYTES, Math.ceil(length / PIECE_BYTES))
  }

  /** Resolves when the destination has stored the blocks. The data is borrowed until then. */
  async write(blocks: Blocks): Promise<void> {
    const { data, offset } = blocks
    this.#isWritten ||= this.#parts.isWritten()
    if (!this.#isWritten) this.#unwrittenBytes += data.length
    if (this.#isOver || (!this.#isWritten && this.#unwrittenBytes > UNWRITTEN_BYTES)) return this.#whole(blocks)
    const pieces = this.#sent.hash(data)
    const parts = this.#divide(blocks, pieces)
    // Until they are stored, who knows what is there.
    const patches = parts.map((part) => part.isPatch && this.#patch(blocks, part, pieces))
    this.forget(offset, data.length)
    const sends = parts.map((part, index) => {
      const patch = patches[index]
      const cut = this.#cut(blocks, part)
      return patch ? this.#sendPatch(cut, patch) : this.#whole(cut)
    })
    // All of them, also after a failure: the data is borrowed until the last one has ended.
    const failed = (await Promise.allSettled(sends)).find((send) => send.status === 'rejected')
    if (failed) throw failed.reason
    this.#sent.keep(offset / PIECE_BYTES, pieces)
  }

  async #whole({ data, offset, options }: Blocks): Promise<void> {
    await this.#parts.to.writeAt(data, offset, options)
  }

  async #sendPatch(blocks: Blocks, { maps, data }: { maps: Uint8Array; data: Uint8Array }): Promise<void> {
    const { offset, options } = blocks
    try {
      await this.#parts.to.patch({ offset, digests: options.digests, maps, data }, blocks.data.length, options)
    } catch (error) {
      if (errorCode(error) !== 'DAMAGED') throw error
      await this.#whole(blocks)
    }
  }

  /** Blocks that are patched, and those between them. */
  #divide({ data, offset }: Blocks, pieces: Uint8Array): readonly Part[] {
    const { blockSize } = this.#parts
    const most = Math.max(blockSize, PATCH_BYTES)
    const parts: Part[] = []
    for (let from = 0; from < data.length; from += blockSize) {
      const to = Math.min(from + blockSize, data.length)
      const count = Math.ceil((to - from) / PIECE_BYTES)
      const known = this.#sent.at((offset + from) / PIECE_BYTES, count)
      const changed = known ? this.#changed(known, pieces, from / PIECE_BYTES) : count
      const isPatch = changed * 2 < count
      const last = parts.at(-1)
      if (last?.isPatch === isPatch && !(isPatch && to - last.from > most)) last.to = to
      else parts.push({ from, to, isPatch })
    }
    return parts
  }

  #changed(known: Uint8Array, pieces: Uint8Array, first: number): number {
    let changed = 0
    for (let piece = 0; piece * PIECE_DIGEST_BYTES < known.length; piece++) {
      if (!isSame(known, piece, pieces, first + piece)) changed++
    }
    return changed
  }

  /** Maps and bytes of the pieces that have changed. */
  #patch({ data, offset }: Blocks, { from, to }: Part, pieces: Uint8Array): { maps: Uint8Array; data: Uint8Array } {
    const { blockSize } = this.#parts
    const bits = mapBytes(blockSize)
    const maps = new Uint8Array(Math.ceil((to - from) / blockSize) * bits)
    const changed: Uint8Array[] = []
    let bytes = 0
    for (let block = from; block < to; block += blockSize) {
      const count = Math.ceil((Math.min(block + blockSize, to) - block) / PIECE_BYTES)
      const known = this.#sent.at((offset + block) / PIECE_BYTES, count)!
      const map = ((block - from) / blockSize) * bits
      for (let piece = 0; piece < count; piece++) {
        if (isSame(known, piece, pieces, block / PIECE_BYTES + piece)) continue
        maps[map + (piece >> 3)]! |= 1 << (piece & 7)
        const at = block + piece * PIECE_BYTES
        changed.push(data.subarray(at, Math.min(at + PIECE_BYTES, to)))
        bytes += changed.at(-1)!.length
      }
    }
    const together = new Uint8Array(bytes)
    let at = 0
    for (const piece of changed) {
      together.set(piece, at)
      at += piece.length
    }
    return { maps, data: together }
  }

  #cut({ data, offset, options }: Blocks, { from, to }: Part): Blocks {
    const { blockSize } = this.#parts
    const first = (from / blockSize) * DIGEST_BYTES
    const digests = options.digests.subarray(first, Math.ceil(to / blockSize) * DIGEST_BYTES)
    return { data: data.subarray(from, to), offset: offset + from, options: { ...options, digests } }
  }
}

function isSame(known: Uint8Array, piece: number, pieces: Uint8Array, other: number): boolean {
  const [at, otherAt] = [piece * PIECE_DIGEST_BYTES, other * PIECE_DIGEST_BYTES]
  for (let index = 0; index < PIECE_DIGEST_BYTES; index++) {
    if (known[at + index] !== pieces[otherAt + index]) return false
  }
  return true
}
