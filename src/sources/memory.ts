import { throwIfAborted } from '../async/abort.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Kernels } from '../kernels/kernels.ts'
import { defaultKernels } from '../kernels/load.ts'
import type { Extent, IoOptions, StorageProvider } from '../storage/provider.ts'
import { checkSize, clipLength } from '../storage/range.ts'
import { SparseMemory } from './sparse-memory.ts'

/** How a memory disk keeps its bytes. */
export interface MemoryStorageOptions {
  /** Keep only pages that were written, for disks far larger than memory. Default: false. */
  sparse?: boolean
  /** Where a dense disk is placed while it fits. Default: the kernels of this realm. */
  kernels?: Kernels
}

/**
 * A disk in memory; the reference implementation of the contract, read it first.
 *
 * Dense bytes lie in the kernels' memory where they fit, otherwise in a typed array. Both faces, synchronous and not, finish before they
 * return, so nothing is ever half done. `flush` has nothing to do: memory survives no crash.
 * @throws StorageError `OUT_OF_MEMORY` when the bytes cannot be had.
 */
export class MemoryStorage implements StorageProvider {
  readonly size: number
  readonly #sparse: SparseMemory | undefined
  readonly #dense: DenseMemory | undefined
  #closed = false
  extents?: (offset: number, length: number) => Promise<readonly Extent[]>

  constructor(size: number, options: MemoryStorageOptions = {}) {
    this.size = checkSize(size)
    if (options.sparse) {
      const sparse = new SparseMemory()
      this.#sparse = sparse
      this.extents = async (offset, length) => sparse.extents(offset, this.#check(offset, length))
    } else {
      this.#dense = new DenseMemory(size, options.kernels ?? defaultKernels())
    }
  }

  readAtSync(target: Uint8Array, offset: number): number {
    const length = this.#check(offset, target.length)
    const clipped = length === target.length ? target : target.subarray(0, length)
    if (this.#dense) clipped.set(this.#dense.view(offset, length))
    else this.#sparse!.read(clipped, offset)
    return length
  }

  writeAtSync(data: Uint8Array, offset: number): number {
    const length = this.#check(offset, data.length)
    const clipped = length === data.length ? data : data.subarray(0, length)
    if (this.#dense) this.#dense.view(offset, length).set(clipped)
    else this.#sparse!.write(clipped, offset)
    return length
  }

  flushSync(): void {
    this.#check(0, 0)
  }

  async readAt(target: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    throwIfAborted(options?.signal)
    return this.readAtSync(target, offset)
  }

  async writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    throwIfAborted(options?.signal)
    return this.writeAtSync(data, offset)
  }

  async zeroAt(offset: number, length: number): Promise<number> {
    const clipped = this.#check(offset, length)
    if (this.#dense) this.#dense.view(offset, clipped).fill(0)
    else this.#sparse!.zero(offset, clipped)
    return clipped
  }

  async flush(): Promise<void> {
    this.flushSync()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#dense?.free()
    this.#sparse?.free()
  }

  /** Nothing is ever queued here. */
  cancelWrites(): void {}

  #check(offset: number, length: number): number {
    if (this.#closed) throw new StorageError('CLOSED')
    return clipLength(this.size, offset, length)
  }
}

/** Kernel memory that nobody closed is given back when its disk is collected. */
const forgotten = new FinalizationRegistry<{ kernels: Kernels; pointer: number; size: number }>((held) =>
  held.kernels.free(held.pointer, held.size),
)

/** One flat run of bytes, in kernel memory or in an array of its own. */
class DenseMemory {
  readonly #size: number
  readonly #kernels: Kernels
  readonly #pointer: number
  #array: Uint8Array | undefined

  constructor(size: number, kernels: Kernels) {
    this.#size = size
    this.#kernels = kernels
    this.#pointer = size <= 2 ** 32 ? kernels.allocate(size) : 0
    if (this.#pointer === 0) this.#array = allocateArray(size)
    else forgotten.register(this, { kernels, pointer: this.#pointer, size }, this)
  }

  /** A view for use in this turn only: kernel memory moves when it grows. */
  view(offset: number, length: number): Uint8Array {
    if (this.#array) return this.#array.subarray(offset, offset + length)
    return new Uint8Array(this.#kernels.buffer, this.#pointer + offset, length)
  }

  free(): void {
    this.#array = undefined
    if (this.#pointer === 0) return
    forgotten.unregister(this)
    this.#kernels.free(this.#pointer, this.#size)
  }
}

function allocateArray(size: number): Uint8Array {
  try {
    return new Uint8Array(size)
  } catch (cause) {
    throw new StorageError('OUT_OF_MEMORY', undefined, { cause, context: { size } })
  }
}
