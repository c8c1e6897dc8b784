import { throwIfAborted } from '../async/abort.ts'
import { checkInteger, InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Kernels } from './kernels.ts'
import { SMALLEST_SLOT_BYTES, STAGING_BYTES } from './limits.ts'
import { createKernels } from './load.ts'

/** Bytes on their way: filled by a source, looked at by kernels, sent by a destination. */
export interface StagingSlot {
  /** A view that stays valid: staging memory never grows. Its content is whatever was there before. */
  readonly bytes: Uint8Array
  /** Where the bytes are in the memory of {@link kernels}. */
  readonly pointer: number
  readonly kernels: Kernels
  /** Gives the slot back; once. The bytes must not be touched after that. */
  release(): void
}

/**
 * Slots of kernel memory that never moves, so that a view of one may be kept across an await. The pool's size bounds the bytes that all
 * migrations of this realm have in flight: who finds it full waits, first come first served.
 */
export class StagingPool {
  readonly #kernels: Kernels
  readonly #largest: number
  /** Pointers of slots given back, by size. They are handed out again unwiped: every user fills what it asked for. */
  readonly #idle = new Map<number, number[]>()
  readonly #waiting: (() => void)[] = []

  constructor(bytes: number) {
    this.#kernels = createKernels({ fixedBytes: bytes })
    this.#largest = bytes
  }

  /** A slot of at least `length` bytes, its view cut to `length`; undefined when the pool is full or others wait already. */
  tryAcquire(length: number): StagingSlot | undefined {
    return this.#waiting.length > 0 ? undefined : this.#take(length)
  }

  /** As {@link tryAcquire}, and waits for room. Rejects with `ABORTED` when the signal fires first. */
  async acquire(length: number, signal?: AbortSignal): Promise<StagingSlot> {
    throwIfAborted(signal)
    const slot = this.tryAcquire(length)
    return slot ?? this.#wait(length, signal)
  }

  #wait(length: number, signal: AbortSignal | undefined): Promise<StagingSlot> {
    return new Promise((resolve, reject) => {
      const attempt = () => {
        const slot = this.#take(length)
        if (!slot) return
        this.#leave(attempt, signal, stop)
        resolve(slot)
      }
      const stop = () => {
        this.#leave(attempt, signal, stop)
        reject(new StorageError('ABORTED', undefined, { cause: signal?.reason }))
        this.#serve()
      }
      this.#waiting.push(attempt)
      signal?.addEventListener('abort', stop, { once: true })
    })
  }

  #leave(attempt: () => void, signal: AbortSignal | undefined, stop: () => void): void {
    this.#waiting.splice(this.#waiting.indexOf(attempt), 1)
    signal?.removeEventListener('abort', stop)
  }

  #take(length: number): StagingSlot | undefined {
    if (checkInteger('length', length) > this.#largest) {
      throw new InvalidArgumentError('length', `at most ${this.#largest}`, length)
    }
    // A pool that is no power of two still serves a request of its whole size.
    const size = Math.min(slotSize(length), Math.max(this.#largest, SMALLEST_SLOT_BYTES))
    const pointer = this.#idle.get(size)?.pop() ?? this.#allocate(size)
    if (pointer === 0) return undefined
    return new Slot(this, this.#kernels, pointer, size, length)
  }

  #allocate(size: number): number {
    const pointer = this.#kernels.allocate(size)
    if (pointer !== 0) return pointer
    // Idle slots of other sizes may be in the way.
    for (const [idleSize, pointers] of this.#idle) for (const idle of pointers) this.#kernels.free(idle, idleSize)
    this.#idle.clear()
    return this.#kernels.allocate(size)
  }

  /** @internal Called by a slot. */
  give(pointer: number, size: number): void {
    const idle = this.#idle.get(size)
    if (idle) idle.push(pointer)
    else this.#idle.set(size, [pointer])
    this.#serve()
  }

  /** Each one served may leave room for the next; the first that finds none stops it. */
  #serve(): void {
    for (let served = -1; served !== this.#waiting.length && this.#waiting.length > 0; ) {
      served = this.#waiting.length
      this.#waiting[0]!()
    }
  }
}

class Slot implements StagingSlot {
  readonly bytes: Uint8Array
  readonly pointer: number
  readonly kernels: Kernels
  readonly #size: number
  #pool: StagingPool | undefined

  constructor(pool: StagingPool, kernels: Kernels, pointer: number, size: number, length: number) {
    this.bytes = new Uint8Array(kernels.buffer, pointer, length)
    this.pointer = pointer
    this.kernels = kernels
    this.#size = size
    this.#pool = pool
  }

  release(): void {
    const pool = this.#pool
    this.#pool = undefined
    pool?.give(this.pointer, this.#size)
  }
}

/** Slots come in powers of two, so that one given back serves the next user. */
function slotSize(length: number): number {
  return Math.max(SMALLEST_SLOT_BYTES, 2 ** Math.ceil(Math.log2(Math.max(1, length))))
}

let shared: StagingPool | undefined

/** The pool of this realm, made on first use. */
export function sharedStagingPool(): StagingPool {
  shared ??= new StagingPool(STAGING_BYTES)
  return shared
}
