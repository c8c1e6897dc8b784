import { throwIfAborted } from '../async/abort.ts'
import { type Clock, systemClock } from '../async/clock.ts'
import { checkInteger } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Kernels } from '../kernels/kernels.ts'
import { sharedStagingPool } from '../kernels/staging-pool.ts'
import type { IoOptions, StorageProvider } from './provider.ts'

/** Bytes of one read when a whole disk is walked: large enough to hide the cost of a call, small enough to stay in a cache. */
export const WALK_BYTES = 2 ** 20

/** Most bytes of a walk that reads ahead: it must leave staging memory to others. */
const AHEAD_BYTES = 2 ** 23

/** A walk lets other tasks run this often, a quarter of a frame. */
const TURN_MS = 4

/** Options of everything that walks a whole disk. */
export interface WalkOptions extends IoOptions {
  /** Called after each step with the bytes walked so far. */
  progress?: (bytes: number) => void
  /** Bytes of one step. Default: {@link WALK_BYTES}. */
  stepBytes?: number
  clock?: Clock
}

/** Where the views of a visit lie, for kernels: the first at `pointer`, the next one its length behind. */
export interface WalkMemory {
  readonly kernels: Kernels
  readonly pointer: number
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

/**
 * Walks disks of one size in step, reading the next step while the one before is visited. The views are borrowed for the visit and lie one
 * behind the other in the slot, `pointer` being that of the first.
 */
export async function walkTogether(
  providers: readonly StorageProvider[],
  visit: (offset: number, pieces: readonly Uint8Array[], memory: WalkMemory) => void,
  options: WalkOptions = {},
): Promise<void> {
  const size = providers[0]!.size
  const step = Math.min(checkInteger('stepBytes', options.stepBytes ?? WALK_BYTES, 1), size)
  const half = step * providers.length
  const isAhead = size > step && 2 * half <= AHEAD_BYTES
  // One slot for all: a walker that held one and waited for a second could meet another that does the same.
  const slot = await sharedStagingPool().acquire(isAhead ? 2 * half : half, options.signal)
  const { bytes, kernels, pointer } = slot
  const read = async (offset: number): Promise<Uint8Array[]> => {
    throwIfAborted(options.signal)
    const start = isAhead && (offset / step) % 2 === 1 ? half : 0
    const length = Math.min(step, size - offset)
    const pieces = providers.map((_, index) => bytes.subarray(start + index * length, start + (index + 1) * length))
    const reads = providers.map((provider, index) => readFully(provider, pieces[index]!, offset, options))
    // All of them, also after a failure: the slot is borrowed until the last read has let go of it.
    const failed = (await Promise.allSettled(reads)).find((end) => end.status === 'rejected')
    if (failed) throw failed.reason
    return pieces
  }
  const { clock = systemClock } = options
  let yieldedAt = clock.now()
  let reading: Promise<Uint8Array[]> | undefined = read(0)
  try {
    for (let offset = 0; offset < size; offset += step) {
      const pieces: Uint8Array[] = await (reading ?? read(offset))
      reading = isAhead && offset + step < size ? read(offset + step) : undefined
      reading?.catch(() => {}) // Heard when it is awaited; until then others may have had their turn.
      visit(offset, pieces, { kernels, pointer: pointer + pieces[0]!.byteOffset - bytes.byteOffset })
      options.progress?.(Math.min(offset + step, size))
      // Disks in memory answer at once: without this nothing else would run until the end, and no abort could arrive.
      if (clock.now() - yieldedAt >= TURN_MS) {
        await clock.yield()
        yieldedAt = clock.now()
      }
    }
  } finally {
    await reading?.catch(() => {}) // Only a walk that has failed already leaves one behind.
    slot.release()
  }
}
