import { StorageError } from '../errors/storage-error.ts'
import { PATCH_BYTES } from './limits.ts'
import { PIECE_BYTES, type WritePatch } from './packets/write-patch.ts'

/** Pieces of neighbouring blocks, checked: they lie within the blocks, and their bytes are all there. */
export interface PatchedBlocks {
  /** Where the first block begins. */
  readonly offset: number
  /** Bytes of the blocks, the last one of the disk as short as it is. */
  readonly length: number
  /** Of what the blocks become, 16 bytes each. */
  readonly digests: Uint8Array
  /** Puts the pieces into the blocks as they were, which are `length` bytes. */
  apply(blocks: Uint8Array): void
}

/** A piece that has come. */
interface Piece {
  /** Where it belongs, in bytes of the disk. */
  readonly offset: number
  readonly data: Uint8Array
}

/** Bytes of a block's map. */
export function mapBytes(blockSize: number): number {
  return Math.ceil(blockSize / PIECE_BYTES / 8)
}

/** Looks at a patch before it is used, and gives parts of it that begin and end with blocks. @throws StorageError `MALFORMED`, `LIMIT_EXCEEDED` */
export function cutPatch(
  { offset, digests, maps, data }: WritePatch,
  { blockSize, size }: { blockSize: number; size: number },
): PatchedBlocks & { part(from: number, to: number): PatchedBlocks } {
  const blocks = digests.length / 16
  const end = Math.min(offset + blocks * blockSize, size)
  const bits = mapBytes(blockSize)
  const isWhole = offset % blockSize === 0 && offset + (blocks - 1) * blockSize < size
  if (blockSize <= PIECE_BYTES || !isWhole || maps.length !== blocks * bits) throw malformed(offset)
  if (blocks > 1 && blocks * blockSize > PATCH_BYTES) throw new StorageError('LIMIT_EXCEEDED')
  const pieces: Piece[] = []
  let at = 0
  for (let bit = 0; bit < maps.length * 8; bit++) {
    if ((maps[bit >> 3]! & (1 << (bit & 7))) === 0) continue
    const within = (bit % (bits * 8)) * PIECE_BYTES
    const from = offset + Math.floor(bit / (bits * 8)) * blockSize + within
    if (within >= blockSize || from >= end) throw malformed(offset)
    const next = at + Math.min(PIECE_BYTES, end - from)
    if (next > data.length) throw malformed(offset)
    pieces.push({ offset: from, data: data.subarray(at, next) })
    at = next
  }
  if (at !== data.length) throw malformed(offset)
  const part = (from: number, to: number): PatchedBlocks => ({
    offset: from,
    length: to - from,
    digests: digests.subarray(((from - offset) / blockSize) * 16, Math.ceil((to - offset) / blockSize) * 16),
    apply: (target) => {
      for (const piece of pieces) {
        if (piece.offset >= from && piece.offset < to) target.set(piece.data, piece.offset - from)
      }
    },
  })
  return { ...part(offset, end), part }
}

function malformed(offset: number): StorageError {
  return new StorageError('MALFORMED', 'The peer patches something other than blocks.', { context: { offset } })
}
