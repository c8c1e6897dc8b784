import { StorageError } from '../errors/storage-error.ts'
import { type StagingSlot, sharedStagingPool } from '../kernels/staging-pool.ts'
import type { IoOptions, StorageProvider } from '../storage/provider.ts'
import { FIRST_HOLE_BYTES, HOLE_BYTES } from './limits.ts'

/** Takes up to `limit` waiting blocks from `block` on; returns how many. */
export type TakeMore = (block: number, limit: number) => number

/** Moves neighbouring blocks from one storage to another, one attempt, every byte count checked. Knows nothing of orders and retries. */
export class RunMover {
  readonly #source: StorageProvider
  readonly #destination: StorageProvider
  readonly #blockSize: number
  /** Whether the destination still reads as zero wherever nothing was sent. A failed write ends that. */
  #fresh: boolean

  constructor(source: StorageProvider, destination: StorageProvider, options: { blockSize: number; fresh: boolean }) {
    this.#source = source
    this.#destination = destination
    this.#blockSize = options.blockSize
    this.#fresh = options.fresh
  }

  /** Whether both ends answer without waiting, so that blocks can be moved in a plain loop. Holes are only told asynchronously. */
  get synchronous(): boolean {
    return Boolean(this.#source.readAtSync && this.#destination.writeAtSync && !this.#source.extents)
  }

  /** From here on zeroes are written too: blocks are being sent again. */
  forgetFresh(): void {
    this.#fresh = false
  }

  /** Moves a run through `slot` without waiting; returns the bytes sent, borrowed from the slot, or undefined for zeroes. */
  moveSync(start: number, count: number, slot: StagingSlot): Uint8Array | undefined {
    const { offset, length } = this.#bytes(start, count)
    const bytes = length === slot.bytes.length ? slot.bytes : slot.bytes.subarray(0, length)
    checkCount('SHORT_READ', this.#source.readAtSync!(bytes, offset), offset, length)
    if (this.#fresh && slot.kernels.isZero(slot.pointer, length)) return undefined
    try {
      checkCount('SHORT_WRITE', this.#destination.writeAtSync!(bytes, offset), offset, length)
    } catch (error) {
      this.#fresh = false
      throw error
    }
    return bytes
  }

  /**
   * Moves a run; the result, borrowed for `stored`, is handed over before the bytes are reused. A run that is a hole in the source is not
   * read, and takes the waiting blocks of the same hole along; returns how many blocks were moved.
   */
  async move(
    start: number,
    count: number,
    options: IoOptions & { takeMore?: TakeMore; stored: (count: number, bytes: Uint8Array | undefined) => void },
  ): Promise<void> {
    const { offset, length } = this.#bytes(start, count)
    if (this.#source.extents && (await this.#source.extents(offset, length)).length === 0) {
      const more = options.takeMore ? await this.#takeHole(start + count, options.takeMore) : 0
      await this.#zero(offset, this.#bytes(start, count + more).length, options)
      options.stored(count + more, undefined)
      return
    }
    const slot = await sharedStagingPool().acquire(length, options.signal)
    try {
      // Only a write departs.
      const reading = options.signal ? { signal: options.signal } : undefined
      checkCount('SHORT_READ', await this.#source.readAt(slot.bytes, offset, reading), offset, length)
      const zero = (this.#fresh || this.#destination.zeroAt) && slot.kernels.isZero(slot.pointer, length)
      if (zero) await this.#zero(offset, length, options)
      else await this.#write(slot.bytes, offset, options)
      options.stored(count, zero ? undefined : slot.bytes)
    } finally {
      slot.release()
    }
  }

  /** Takes the waiting blocks behind a hole for as long as the hole goes on, asking further ahead each time it does. */
  async #takeHole(block: number, takeMore: TakeMore): Promise<number> {
    let taken = 0
    for (let bytes = FIRST_HOLE_BYTES; taken * this.#blockSize < HOLE_BYTES; bytes *= 2) {
      const offset = (block + taken) * this.#blockSize
      const length = Math.min(bytes, this.#source.size - offset)
      if (length <= 0) break
      const next = (await this.#source.extents!(offset, length))[0]
      const blocks = next ? Math.floor((next.offset - offset) / this.#blockSize) : Math.ceil(length / this.#blockSize)
      const more = blocks > 0 ? takeMore(block + taken, blocks) : 0
      taken += more
      if (next || more < blocks) break
    }
    return taken
  }

  async #zero(offset: number, length: number, options: IoOptions): Promise<void> {
    if (this.#fresh) return
    if (this.#destination.zeroAt) {
      checkCount('SHORT_WRITE', await this.#destination.zeroAt(offset, length), offset, length)
      return
    }
    const slot = await sharedStagingPool().acquire(Math.min(length, 2 ** 20), options.signal)
    try {
      slot.bytes.fill(0)
      for (let at = 0; at < length; at += slot.bytes.length) {
        await this.#write(slot.bytes.subarray(0, Math.min(slot.bytes.length, length - at)), offset + at, options)
      }
    } finally {
      slot.release()
    }
  }

  async #write(bytes: Uint8Array, offset: number, options: IoOptions): Promise<void> {
    try {
      checkCount('SHORT_WRITE', await this.#destination.writeAt(bytes, offset, options), offset, bytes.length)
    } catch (error) {
      // What part of the range was written is unknown now.
      this.#fresh = false
      throw error
    }
  }

  #bytes(start: number, count: number): { offset: number; length: number } {
    const offset = start * this.#blockSize
    return { offset, length: Math.min(count * this.#blockSize, this.#source.size - offset) }
  }
}

function checkCount(code: 'SHORT_READ' | 'SHORT_WRITE', got: number, offset: number, expected: number): void {
  if (got !== expected) throw new StorageError(code, undefined, { context: { offset, expected, got } })
}
