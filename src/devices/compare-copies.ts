import { throwIfAborted } from '../async/abort.ts'
import { StorageError } from '../errors/storage-error.ts'
import { CLAIM_BYTES, LEAVES_BYTES, PAGE_BLOCKS } from '../protocol/packets/read-digests.ts'
import { DIGEST_BYTES } from '../storage/block-hasher.ts'
import { PAGE_BITS_BYTES } from '../storage/page-claims.ts'
import { blockCount } from '../storage/range.ts'
import type { ComparableCopy } from './hashed-copy.ts'
import { COMPARED_BYTES, HASHED_BYTES } from './limits.ts'

/** Neighbouring blocks that are not the same on both sides. */
export interface DifferingRun {
  readonly first: number
  readonly count: number
}

/** How a comparison is watched. */
export interface CompareOptions {
  readonly signal?: AbortSignal
  /** Hears how many bytes have been compared. */
  readonly progress?: (bytes: number) => void
}

/**
 * Finds the blocks in which two disks differ by exchanging hashes only: pages of 256 blocks first, then the blocks of those that differ. Each side reads
 * and hashes its own, both at the same time.
 * @throws StorageError `SIZE_MISMATCH`
 */
export async function compareCopies(
  a: ComparableCopy,
  b: ComparableCopy,
  { signal, progress }: CompareOptions = {},
): Promise<DifferingRun[]> {
  if (a.size !== b.size || a.blockSize !== b.blockSize) {
    const context = { first: a.size, second: b.size, firstBlock: a.blockSize, secondBlock: b.blockSize }
    throw new StorageError('SIZE_MISMATCH', `One disk has ${a.size} bytes, the other ${b.size}.`, { context })
  }
  const { size, blockSize } = a
  const pages = Math.ceil(blockCount(size, blockSize) / PAGE_BLOCKS)
  const step = Math.max(1, Math.floor(COMPARED_BYTES / (PAGE_BLOCKS * blockSize)))
  const runs: { first: number; count: number }[] = []
  for (let first = 0; first < pages; first += step) {
    throwIfAborted(signal)
    const count = Math.min(step, pages - first)
    const [left, right] = await Promise.all([a.digests('claims', first, count), b.digests('claims', first, count)])
    for (let index = 0; index < count; index++) {
      const at = index * CLAIM_BYTES
      if (!isSame(left, right, at, CLAIM_BYTES)) await addDiffering(a, b, first + index, runs)
    }
    progress?.(Math.min((first + count) * PAGE_BLOCKS * blockSize, size))
  }
  return runs
}

/** Copies the blocks of these runs from one side to the other, and flushes. */
export async function copyRuns(
  from: ComparableCopy,
  to: ComparableCopy,
  runs: readonly DifferingRun[],
  signal?: AbortSignal,
): Promise<void> {
  const { size, blockSize } = from
  const most = Math.max(1, Math.floor(HASHED_BYTES / blockSize))
  for (const { first, count } of runs) {
    for (let block = first; block < first + count; block += most) {
      throwIfAborted(signal)
      const offset = block * blockSize
      const bytes = new Uint8Array(Math.min(Math.min(most, first + count - block) * blockSize, size - offset))
      const got = await from.readAt(bytes, offset)
      if (got !== bytes.length) throw new StorageError('SHORT_READ', undefined, { context: { offset, got } })
      await to.writeAt(bytes, offset)
    }
  }
  await to.flush()
}

/** Blocks of a page whose digests differ, or that only one side could tell. */
async function addDiffering(
  a: ComparableCopy,
  b: ComparableCopy,
  page: number,
  runs: { first: number; count: number }[],
): Promise<void> {
  const [left, right] = await Promise.all([a.digests('leaves', page, 1), b.digests('leaves', page, 1)])
  if (left.length !== LEAVES_BYTES || right.length !== LEAVES_BYTES) throw new StorageError('MALFORMED')
  const start = page * PAGE_BLOCKS
  const end = Math.min(start + PAGE_BLOCKS, blockCount(a.size, a.blockSize))
  for (let block = start, bit = 0; block < end; block++, bit++) {
    const isKnown = (leaves: Uint8Array) => (leaves[bit >> 3]! & (1 << (bit & 7))) !== 0
    const at = PAGE_BITS_BYTES + bit * DIGEST_BYTES
    if (isKnown(left) && isKnown(right) && isSame(left, right, at, DIGEST_BYTES)) continue
    const last = runs.at(-1)
    if (last && last.first + last.count === block) last.count++
    else runs.push({ first: block, count: 1 })
  }
}

function isSame(left: Uint8Array, right: Uint8Array, at: number, length: number): boolean {
  for (let index = at; index < at + length; index++) if (left[index] !== right[index]) return false
  return true
}
