import { throwIfAborted } from '../async/abort.ts'
import { checkInteger } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import { type StagingSlot, sharedStagingPool } from '../kernels/staging-pool.ts'
import type { IoOptions, StorageProvider } from './provider.ts'

/** Bytes of one read when a whole disk is walked: large enough to hide the cost of a call, small enough to stay in a cache. */
export const WALK_BYTES = 2 ** 20

/** Options of everything that walks a whole disk. */
export interface WalkOptions extends IoOptions {
  /** Called after each step with the bytes walked so far. */
  progress?: (bytes: number) => void
  /** Bytes of one step. Default: {@link WALK_BYTES}. */
  stepBytes?: number
}

/**
 * Reads a range of exactly `target.length` bytes and refuses less.
 * @throws StorageError `SHORT_READ`
 */
export async function readFully(
  provider: StorageProvider,
  target: Uint8Array,
  offset: number,
  options?: IoOptions,
): Promise<void> {
  const count = await provider.readAt(target, offset, options)
  if (count !== target.length) {
    throw new StorageError('SHORT_READ', undefined, { context: { offset, expected: target.length, got: count } })
  }
}

/** Walks two or more disks of one size in step, one step at a time; the views are borrowed for the visit and lie one
 * behind the other in the slot. */
export async function walkTogether(
  providers: readonly StorageProvider[],
  visit: (offset: number, pieces: readonly Uint8Array[], slot: StagingSlot) => void,
  options: WalkOptions = {},
): Promise<void> {
  const size = providers[0]!.size
  const step = Math.min(checkInteger('stepBytes', options.stepBytes ?? WALK_BYTES, 1), size)
  const pool = sharedStagingPool()
  // One slot for all: a walker that held one and waited for a second could meet another that does the same.
  const slot = await pool.acquire(step * providers.length, options.signal)
  try {
    for (let offset = 0; offset < size; ) {
      throwIfAborted(options.signal)
      const length = Math.min(step, size - offset)
      const pieces = providers.map((_, index) => slot.bytes.subarray(index * length, (index + 1) * length))
      await Promise.all(providers.map((provider, index) => readFully(provider, pieces[index]!, offset, options)))
      visit(offset, pieces, slot)
      offset += length
      options.progress?.(offset)
    }
  } finally {
    slot.release()
  }
}
