import { checkBlockSize } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { StorageProvider } from './provider.ts'
import { type WalkMemory, type WalkOptions, walkTogether } from './sequential-reader.ts'

/** How two disks differ. */
export interface DiskDifference {
  /** Blocks that differ in at least one byte. */
  readonly blocks: number
  readonly bytes: number
  /** Offset of the first byte that differs, -1 when none does. */
  readonly firstOffset: number
}

/**
 * Reads two disks and counts what differs.
 * @throws InvalidArgumentError, StorageError `SIZE_MISMATCH`
 */
export async function compareDisks(
  first: StorageProvider,
  second: StorageProvider,
  blockSize: number,
  options?: WalkOptions,
): Promise<DiskDifference> {
  checkBlockSize('blockSize', blockSize)
  if (first.size !== second.size) {
    throw new StorageError('SIZE_MISMATCH', undefined, { context: { first: first.size, second: second.size } })
  }
  let blocks = 0
  let bytes = 0
  let firstOffset = -1
  let lastBlock = -1
  const visit = (offset: number, [a, b]: readonly Uint8Array[], { kernels, pointer }: WalkMemory) => {
    if (kernels.equal(pointer, pointer + a!.length, a!.length)) return
    for (let index = 0; index < a!.length; index++) {
      if (a![index] === b![index]) continue
      bytes++
      if (firstOffset < 0) firstOffset = offset + index
      const block = Math.floor((offset + index) / blockSize)
      if (block !== lastBlock) blocks++
      lastBlock = block
    }
  }
  await walkTogether([first, second], visit, options)
  return { blocks, bytes, firstOffset }
}
