import type { Bitfield } from '../bitfield/bitfield.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { BlockDigests } from '../storage/block-digests.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { HASHED_BYTES } from './limits.ts'

/** Reads these blocks and notes what they are; nobody may write them meanwhile. `onHashing` hears how many are done, of how many. */
export async function hashBlocks(
  storage: StorageProvider,
  digests: BlockDigests,
  { blocks, onHashing }: { blocks: Bitfield; onHashing?: (done: number, total: number) => void },
): Promise<void> {
  const { blockSize } = digests.tree
  const total = blocks.count()
  if (total === 0) return
  const step = Math.max(1, Math.floor(HASHED_BYTES / blockSize))
  const bytes = new Uint8Array(step * blockSize)
  let done = 0
  const runs: [number, number][] = []
  blocks.forEachRun((start, count) => runs.push([start, count]), step)
  for (const [start, count] of runs) {
    const offset = start * blockSize
    const part = bytes.subarray(0, Math.min(count * blockSize, storage.size - offset))
    const got = await storage.readAt(part, offset)
    if (got !== part.length) throw new StorageError('SHORT_READ', undefined, { context: { offset, got } })
    digests.note(start, part)
    done += count
    onHashing?.(done, total)
  }
}
