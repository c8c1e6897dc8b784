import { checkInteger, InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { GROWTH_STEP_BYTES, MEMORY_PAGE_BYTES, SMALLEST_GROWTH_BYTES } from './limits.ts'

/** Every allocation starts on, and is rounded up to, a multiple of this: a cache line, and enough for any vector. */
export const ALIGNMENT = 64

/** The memory an {@link Allocator} hands out. Both kinds of kernels have one. */
export interface GrowableMemory {
  /** The bytes as they are now. */
  readonly buffer: ArrayBuffer
  /** Makes the memory at least `bytes` long, the new bytes zero; false when the machine refuses. */
  grow(bytes: number): boolean
}

/**
 * Hands out parts of one linear memory: first fit on a list of free regions in address order, neighbours merged when freed.
 *
 * ```
 *   0        64                             fresh              capacity     maximum
 *   │ unused │ used │ free │ used │ … │ used │ never handed out │ not there │
 * ```
 *
 * Pointer 0 is never handed out: it means "does not fit". Bytes above `fresh` are still as zero as the machine gave them, so only what was
 * used before is wiped, and a first large allocation costs no pass over it. The list lives outside the memory: nothing that
 * writes out of bounds can damage it.
 */
export class Allocator {
  readonly #memory: GrowableMemory
  readonly #maximum: number
  /** Free regions below `#fresh`, ascending, never touching each other: their starts and their ends. */
  readonly #starts: number[] = []
  readonly #ends: number[] = []
  #fresh = ALIGNMENT

  constructor(memory: GrowableMemory, maximumBytes: number) {
    this.#memory = memory
    this.#maximum = maximumBytes
  }

  /** Reserves zeroed bytes; 0 when they do not fit. May grow the memory. */
  allocate(bytes: number): number {
    const size = roundedSize(bytes)
    return this.#reuse(size) || this.#extend(size)
  }

  /**
   * Gives a region back.
   * @throws InvalidArgumentError when the region was not handed out, or is free already.
   */
  free(pointer: number, bytes: number): void {
    const end = pointer + roundedSize(bytes)
    const index = this.#indexAfter(pointer)
    const overlaps = (index > 0 && this.#ends[index - 1]! > pointer) || this.#starts[index]! < end
    if (!Number.isSafeInteger(pointer) || pointer % ALIGNMENT !== 0 || pointer === 0 || end > this.#fresh || overlaps) {
      throw new InvalidArgumentError('pointer', 'what allocate() returned, once, with the same size', pointer)
    }
    const joinsLeft = index > 0 && this.#ends[index - 1] === pointer
    const joinsRight = this.#starts[index] === end
    if (joinsLeft && joinsRight) {
      this.#ends[index - 1] = this.#ends[index]!
      this.#starts.splice(index, 1)
      this.#ends.splice(index, 1)
    } else if (joinsLeft) {
      this.#ends[index - 1] = end
    } else if (joinsRight) {
      this.#starts[index] = pointer
    } else {
      this.#starts.splice(index, 0, pointer)
      this.#ends.splice(index, 0, end)
    }
  }

  /** The first free region that is long enough, wiped. */
  #reuse(size: number): number {
    for (let index = 0; index < this.#starts.length; index++) {
      const start = this.#starts[index]!
      if (this.#ends[index]! - start < size) continue
      if (this.#ends[index] === start + size) {
        this.#starts.splice(index, 1)
        this.#ends.splice(index, 1)
      } else {
        this.#starts[index] = start + size
      }
      this.#wipe(start, start + size)
      return start
    }
    return 0
  }

  /** Takes fresh bytes, beginning with a free region that touches them. */
  #extend(size: number): number {
    const last = this.#ends.length - 1
    const joins = last >= 0 && this.#ends[last] === this.#fresh
    const start = joins ? this.#starts[last]! : this.#fresh
    if (!this.#ensure(start + size)) return 0
    if (joins) {
      this.#starts.pop()
      this.#ends.pop()
      this.#wipe(start, this.#fresh)
    }
    this.#fresh = start + size
    return start
  }

  /**
   * Grows by doubling, so that many small allocations cost few growths, yet never by more than a bounded step beyond the need;
   * where the machine refuses the generous size, the exact one is tried.
   */
  #ensure(end: number): boolean {
    const capacity = this.#memory.buffer.byteLength
    if (end <= capacity) return true
    if (end > this.#maximum) return false
    const step = Math.min(Math.max(capacity, SMALLEST_GROWTH_BYTES), GROWTH_STEP_BYTES)
    const generous = Math.min(Math.max(roundUp(end, MEMORY_PAGE_BYTES), capacity + step), this.#maximum)
    const exact = Math.min(roundUp(end, MEMORY_PAGE_BYTES), this.#maximum)
    return this.#memory.grow(generous) || (exact < generous && this.#memory.grow(exact))
  }

  #wipe(start: number, end: number): void {
    new Uint8Array(this.#memory.buffer, start, end - start).fill(0)
  }

  /** Index of the first free region that starts at or after `pointer`. */
  #indexAfter(pointer: number): number {
    let low = 0
    let high = this.#starts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#starts[middle]! < pointer) low = middle + 1
      else high = middle
    }
    return low
  }
}

function roundedSize(bytes: number): number {
  return roundUp(Math.max(checkInteger('bytes', bytes), 1), ALIGNMENT)
}

/** The next multiple of `unit` (exact for any safe integer: bit tricks would stop at 2^31). */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}
