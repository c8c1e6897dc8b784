import { errorCode, StorageError } from '../errors/storage-error.ts'
import type { Extent, IoOptions, StorageProvider } from '../storage/provider.ts'
import { clipLength } from '../storage/range.ts'
import { StorageWrapper } from '../storage/wrapper.ts'
import type { BlockSpan, WaitingCacheBlocks } from './waiting-cache-blocks.ts'
import { WaitingCacheLine, type WaitingCacheOrder, type WriteTurn } from './waiting-cache-order.ts'
import type { WaitingCacheWaits } from './waiting-cache-waits.ts'

/** What the two faces of a waiting cache share. */
export interface WaitingCacheParts {
  readonly destination: StorageProvider
  readonly blocks: WaitingCacheBlocks
  readonly waits: WaitingCacheWaits
  readonly order: WaitingCacheOrder
  readonly close: () => Promise<void>
}

/** The application's face: what is here passes at once, what is not is asked for and waited for. */
export class WaitingCacheLocal extends StorageWrapper {
  readonly #parts: WaitingCacheParts
  readonly #line = new WaitingCacheLine()
  /** Reads that wait now. */
  #reads = 0
  zeroAt?: (offset: number, length: number) => Promise<number>

  constructor(parts: WaitingCacheParts) {
    super(parts.destination)
    this.#parts = parts
    const { destination, blocks } = parts
    if (destination.zeroAt) {
      this.zeroAt = (offset, length) => {
        const zero = () => destination.zeroAt!(offset, length)
        const span = blocks.ofWrite(offset, length)
        return span ? this.#write(span, offset, undefined, zero) : zero()
      }
    }
    // Synchronous members are for storages that answer without waiting; whoever finds one relies on that.
    delete this.readAtSync
    delete this.flushSync
    if (destination.extents) this.extents = (offset, length) => this.#extents(offset, length)
  }

  /** Calls that wait for blocks to arrive, or behind such a call. */
  get waitingCalls(): number {
    return this.#reads + this.#line.calls
  }

  override readAt(target: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    if (this.#parts.blocks.has(offset, target.length)) return this.inner.readAt(target, offset, options)
    return this.#readLater(target, offset, options)
  }

  override writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const { inner } = this
    const span = this.#parts.blocks.ofWrite(offset, data.length)
    if (!span) return inner.writeAt(data, offset, options)
    if (inner.writeAtSync && !options?.signal && this.#canBegin(span, offset)) {
      // Nothing can be under way between start and end of a synchronous write: no turn is needed, and one promise instead of three.
      try {
        const count = inner.writeAtSync(data, offset)
        this.#written(span, count)
        return Promise.resolve(count)
      } catch (error) {
        // A storage that would have to wait says so, and then waits.
        if (errorCode(error) !== 'LOCKED') return Promise.reject(error)
      }
    }
    return this.#write(span, offset, options?.signal, () => inner.writeAt(data, offset, options))
  }

  override cancelWrites(offset: number, length: number): void {
    const { blocks, order } = this.#parts
    const span = blocks.ofRead(offset, length)
    // Among the older writes must be none that brings a block: the newer data may cover a part of it only.
    if (span && !order.conflicts(span.start, span.end, 'local')) this.inner.cancelWrites(offset, length)
  }

  override close(): Promise<void> {
    return this.#parts.close()
  }

  async #readLater(target: Uint8Array, offset: number, options: IoOptions | undefined): Promise<number> {
    const { blocks, waits } = this.#parts
    const span = blocks.ofRead(offset, target.length)
    this.#reads++
    try {
      // A block that had come may be out of date by the time the last one is here.
      while (span && blocks.firstMissing(span) >= 0) await waits.until(span, options?.signal)
    } finally {
      this.#reads--
    }
    return this.inner.readAt(target, offset, options)
  }

  #canBegin(span: BlockSpan, offset: number): boolean {
    const { blocks, order } = this.#parts
    if (blocks.firstMissing(span) >= 0 || order.conflicts(span.start, span.end, 'local')) return false
    return !this.#line.isBefore(offset, span.length)
  }

  /** Writes that can begin do so before this returns, so that the storage meets them in the order of the calls. */
  #write(
    span: BlockSpan,
    offset: number,
    signal: AbortSignal | undefined,
    work: () => Promise<number>,
  ): Promise<number> {
    if (!this.#canBegin(span, offset)) return this.#writeLater(span, offset, signal, work)
    return this.#run(span, this.#parts.order.enter(span.start, span.end, 'local'), work)
  }

  async #writeLater(
    span: BlockSpan,
    offset: number,
    signal: AbortSignal | undefined,
    work: () => Promise<number>,
  ): Promise<number> {
    this.#parts.waits.ask(span)
    const leave = await this.#line.join(offset, span.length, signal)
    let running: Promise<number>
    try {
      running = this.#run(span, await this.#turn(span, signal), work)
    } finally {
      leave()
    }
    return running
  }

  /** Waits until the edges are here and no arriving write is under way in any of the blocks, both at one moment. */
  async #turn(span: BlockSpan, signal: AbortSignal | undefined): Promise<WriteTurn> {
    const { blocks, waits, order } = this.#parts
    for (;;) {
      while (blocks.firstMissing(span) >= 0) await waits.until(span, signal)
      const turn = order.enter(span.start, span.end, 'local')
      try {
        await order.granted(turn, signal)
      } catch (error) {
        order.leave(turn)
        throw error
      }
      if (blocks.firstMissing(span) < 0) return turn
      // To wait for a block while holding it would keep it from arriving.
      order.leave(turn)
    }
  }

  async #run(span: BlockSpan, turn: WriteTurn, work: () => Promise<number>): Promise<number> {
    const { blocks, waits, order } = this.#parts
    try {
      blocks.expect(span.wholeStart, span.wholeEnd)
      const count = await work()
      this.#written(span, count)
      return count
    } catch (error) {
      blocks.unexpect(span.start, span.end)
      waits.askAgain()
      throw error
    } finally {
      order.leave(turn)
    }
  }

  /** The edges were here and the rest is covered: from now on the blocks are this side's own. */
  #written(span: BlockSpan, count: number): void {
    const { blocks, waits } = this.#parts
    if (count !== span.length) {
      throw new StorageError('SHORT_WRITE', undefined, { context: { expected: span.length, got: count } })
    }
    if (blocks.owns(span)) return
    const taken: (readonly [number, number])[] = []
    blocks.own(span.start, span.end, (start, end) => taken.push([start, end]))
    waits.arrived(span.start, span.end)
    for (const [start, end] of taken) waits.decline(start, end)
  }

  /** What is missing may hold anything. */
  async #extents(offset: number, length: number): Promise<readonly Extent[]> {
    const { blocks } = this.#parts
    const span = blocks.ofRead(offset, length)
    if (!span || blocks.firstMissing(span) < 0) return this.inner.extents!(offset, length)
    const { blockSize } = blocks
    const stop = offset + clipLength(this.size, offset, length)
    const ranges: Extent[] = []
    for (let block = blocks.firstMissing(span); block >= 0; ) {
      const from = Math.max(offset, block * blockSize)
      do block++
      while (block < span.end && !blocks.isPresent(block))
      ranges.push({ offset: from, length: Math.min(stop, block * blockSize) - from })
      block = blocks.firstMissing(span, block)
    }
    ranges.push(...(await this.inner.extents!(offset, length)))
    return merged(ranges)
  }
}

/** Ranges that may overlap as ranges that ascend and do not. */
function merged(ranges: Extent[]): Extent[] {
  const result: { offset: number; length: number }[] = []
  for (const { offset, length } of ranges.sort((a, b) => a.offset - b.offset)) {
    const last = result.at(-1)
    if (!last || last.offset + last.length < offset) result.push({ offset, length })
    else last.length = Math.max(last.length, offset + length - last.offset)
  }
  return result
}
