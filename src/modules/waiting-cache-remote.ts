import { throwIfAborted } from '../async/abort.ts'
import { Bitfield } from '../bitfield/bitfield.ts'
import { combineErrors, errorCode, StorageError } from '../errors/storage-error.ts'
import type { IoOptions, StorageProvider } from '../storage/provider.ts'
import { StorageWrapper } from '../storage/wrapper.ts'
import type { BlockSpan } from './waiting-cache-blocks.ts'
import type { WaitingCacheParts } from './waiting-cache-local.ts'
import type { WriteTurn } from './waiting-cache-order.ts'

/** Where blocks arrive. Two writes to one block take effect in the order they were called in, so the caller calls older copies first. */
export interface ArrivingProvider extends StorageProvider {
  /** Bytes of a block; the last one may be short. */
  readonly blockSize: number
  /**
   * The source has written these blocks after it sent them: they count as missing until they are written again by a call that comes later. Writes
   * called before are still stored and make nothing present. Blocks written here stay. A field is only read and stays the caller's.
   * @throws InvalidArgumentError for a number past the last block; then nothing has changed.
   */
  invalidate(blocks: Bitfield | Iterable<number>): void
  /** Whole blocks inside the range hold the right content already: they become present without data. */
  available(offset: number, length: number): void
}

interface ArrivingWrite {
  readonly span: BlockSpan
  readonly offset: number
  readonly signal: AbortSignal | undefined
  /** Stores bytes `from` to before `to` of the disk. */
  readonly store: (from: number, to: number) => Promise<number>
}

/** The face for whoever brings blocks. What was written here is never overwritten; such bytes count as stored. */
export class WaitingCacheRemote extends StorageWrapper implements ArrivingProvider {
  readonly blockSize: number
  readonly #parts: WaitingCacheParts
  zeroAt?: (offset: number, length: number) => Promise<number>
  writeAtSync?: (data: Uint8Array, offset: number) => number

  constructor(parts: WaitingCacheParts) {
    super(parts.destination)
    const { destination, blocks } = parts
    this.blockSize = blocks.blockSize
    this.#parts = parts
    if (destination.zeroAt) {
      this.zeroAt = (offset, length) => {
        const span = blocks.ofWrite(offset, length)
        if (!span) return destination.zeroAt!(offset, length)
        const store = (from: number, to: number) => destination.zeroAt!(from, to - from)
        return this.#write({ span, offset, signal: undefined, store })
      }
    }
    if (destination.writeAtSync) this.writeAtSync = (data, offset) => this.#writeSync(data, offset)
  }

  override writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const { inner } = this
    const { blocks, order } = this.#parts
    const span = blocks.ofWrite(offset, data.length)
    if (!span) return inner.writeAt(data, offset, options)
    if (inner.writeAtSync && !options?.signal && !order.conflicts(span.start, span.end, 'remote')) {
      try {
        return Promise.resolve(this.#writeSync(data, offset))
      } catch (error) {
        // A storage that would have to wait says so, and then waits.
        if (errorCode(error) !== 'LOCKED') return Promise.reject(error)
      }
    }
    const store = (from: number, to: number) => inner.writeAt(data.subarray(from - offset, to - offset), from, options)
    return this.#write({ span, offset, signal: options?.signal, store })
  }

  invalidate(blocks: Bitfield | Iterable<number>): void {
    const { numBlocks, closed } = this.#parts.blocks
    if (closed) return
    if (blocks instanceof Bitfield) {
      this.#invalidate(blocks)
      return
    }
    const field = new Bitfield(numBlocks)
    try {
      for (const block of blocks) field.set(block)
      this.#invalidate(field)
    } finally {
      field.free()
    }
  }

  available(offset: number, length: number): void {
    const { blocks, waits } = this.#parts
    const span = blocks.ofWrite(offset, length)
    if (!span || span.wholeStart >= span.wholeEnd) return
    blocks.arrive(span.wholeStart, span.wholeEnd)
    waits.arrived(span.wholeStart, span.wholeEnd)
  }

  /** Not passed on: it might hit a write of the application. */
  override cancelWrites(): void {}

  override close(): Promise<void> {
    return this.#parts.close()
  }

  #invalidate(field: Bitfield): void {
    const { blocks, order, waits } = this.#parts
    blocks.invalidate(field)
    order.outdate(field)
    // Who waits had asked for a copy that is out of date now, wherever it is.
    waits.askAgain()
  }

  async #write(write: ArrivingWrite): Promise<number> {
    const { blocks, order } = this.#parts
    const { span } = write
    blocks.expect(span.wholeStart, span.wholeEnd)
    const pieces = order.pieces(span.start, span.end)
    // All turns are taken before anything else can run: calls keep their order.
    const stored = pieces.map(([start, end]) => this.#store(write, order.enter(start, end, 'remote')))
    // The bytes are borrowed until the last piece has ended, however the first one did.
    const outcomes = await Promise.allSettled(stored)
    throwFailures(outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => reason))
    return span.length
  }

  async #store(write: ArrivingWrite, turn: WriteTurn): Promise<void> {
    const { blocks, order } = this.#parts
    let from = turn.start
    try {
      await order.granted(turn, write.signal)
      for (let run = blocks.nextForeign(from, turn.end); run; run = blocks.nextForeign(from, turn.end)) {
        throwIfAborted(write.signal)
        await this.#storeRun(write, turn, run)
        from = run[1]
      }
    } catch (error) {
      blocks.unexpect(from, turn.end)
      throw error
    } finally {
      order.leave(turn)
    }
  }

  /** Stores a run of blocks of which none is our own; nobody else writes them meanwhile. */
  async #storeRun(write: ArrivingWrite, turn: WriteTurn, [start, end]: readonly [number, number]): Promise<void> {
    const { span, store } = write
    const { from, to } = this.#bytes(write.span, write.offset, start, end)
    try {
      checkCount(await store(from, to), to - from)
    } catch (error) {
      this.#parts.blocks.tear(start, end)
      throw error
    }
    this.#stored(span, start, end, turn.stale)
  }

  #writeSync(data: Uint8Array, offset: number): number {
    const { blocks, order } = this.#parts
    const span = blocks.ofWrite(offset, data.length)
    if (!span) return this.inner.writeAtSync!(data, offset)
    if (order.conflicts(span.start, span.end, 'remote')) {
      throw new StorageError('LOCKED', 'The blocks are being written; a synchronous call cannot wait.')
    }
    let run = blocks.nextForeign(span.start, span.end)
    for (; run; run = blocks.nextForeign(run[1], span.end)) {
      const [start, end] = run
      const { from, to } = this.#bytes(span, offset, start, end)
      try {
        checkCount(this.inner.writeAtSync!(data.subarray(from - offset, to - offset), from), to - from)
      } catch (error) {
        blocks.tear(start, end)
        throw error
      }
      this.#stored(span, start, end, undefined)
    }
    return span.length
  }

  #bytes(span: BlockSpan, offset: number, start: number, end: number): { from: number; to: number } {
    const { blockSize } = this
    return { from: Math.max(offset, start * blockSize), to: Math.min(offset + span.length, end * blockSize) }
  }

  /** Of the blocks that were stored, those that were covered to their last byte and are not out of date are here now. */
  #stored(span: BlockSpan, start: number, end: number, stale: ReadonlySet<number> | undefined): void {
    const { blocks, waits } = this.#parts
    const stop = Math.min(end, span.wholeEnd)
    for (let from = Math.max(start, span.wholeStart); from < stop; from++) {
      if (stale?.has(from)) continue
      const first = from
      while (from < stop && !stale?.has(from)) from++
      blocks.arrive(first, from)
      waits.arrived(first, from)
    }
  }
}

/** Throws what went wrong with pieces of one write, if anything, with the code of the first. */
function throwFailures(failures: readonly unknown[]): void {
  const first = failures[0]
  const code = errorCode(first)
  if (failures.every((failure) => failure === first || (code !== undefined && errorCode(failure) === code))) {
    if (failures.length > 0) throw first
    return
  }
  throw new StorageError(code ?? 'WRITE_FAILED', undefined, { cause: failures.reduce(combineErrors) })
}

function checkCount(got: number, expected: number): void {
  if (got !== expected) throw new StorageError('SHORT_WRITE', undefined, { context: { expected, got } })
}
