import { throwIfAborted } from '../../src/async/abort.ts'
import type { Clock } from '../../src/async/clock.ts'
import type { Random } from '../../src/async/random.ts'
import type { Extent, IoOptions, StorageProvider } from '../../src/storage/provider.ts'

/** How long calls take. */
export interface SlowStorageOptions {
  readonly clock: Clock
  /** Milliseconds of the next call. Differing ones make calls overtake each other. Default: 1 for each. */
  readonly latencyMs?: () => number
  /** With it, bytes are taken at two random moments of a call, first half and second half: reads and writes tear. Default: all at the end. */
  readonly random?: Random
  /** Members of the storage inside that are hidden as well; the synchronous twins always are. */
  readonly hide?: readonly ('zeroAt' | 'extents')[]
}

/** A storage that answers later. It keeps no order between calls under way, whether they overlap or not. */
export class SlowStorage<Inner extends StorageProvider = StorageProvider> implements StorageProvider {
  readonly #inner: Inner
  readonly #options: SlowStorageOptions
  /** Calls under way now, and the most there have been. */
  active = 0
  mostActive = 0
  zeroAt?: (offset: number, length: number) => Promise<number>
  extents?: (offset: number, length: number) => Promise<readonly Extent[]>

  constructor(inner: Inner, options: SlowStorageOptions) {
    this.#inner = inner
    this.#options = options
    const { hide = [] } = options
    if (inner.zeroAt && !hide.includes('zeroAt')) {
      this.zeroAt = (offset, length) =>
        this.#during(undefined, length, (from, to) => inner.zeroAt!(offset + from, to - from))
    }
    if (inner.extents && !hide.includes('extents')) {
      this.extents = async (offset, length) => {
        let extents: readonly Extent[] = []
        await this.#during(undefined, 1, async () => {
          extents = await inner.extents!(offset, length)
          return 1
        })
        return extents
      }
    }
  }

  get size(): number {
    return this.#inner.size
  }

  readAt(target: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const take = (from: number, to: number) => this.#inner.readAt(target.subarray(from, to), offset + from)
    return this.#during(options?.signal, target.length, take)
  }

  writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const take = (from: number, to: number) => this.#inner.writeAt(data.subarray(from, to), offset + from)
    return this.#during(options?.signal, data.length, take)
  }

  async flush(): Promise<void> {
    await this.#during(undefined, 0, async () => 0)
    await this.#inner.flush()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  cancelWrites(offset: number, length: number): void {
    this.#inner.cancelWrites(offset, length)
  }

  /** Waits, takes the first half of the bytes, waits, takes the rest, waits. */
  async #during(
    signal: AbortSignal | undefined,
    length: number,
    take: (from: number, to: number) => Promise<number>,
  ): Promise<number> {
    const { clock, random, latencyMs } = this.#options
    throwIfAborted(signal)
    this.mostActive = Math.max(this.mostActive, ++this.active)
    try {
      const totalMs = latencyMs ? latencyMs() : 1
      const first = random ? random() : 1
      const second = random ? first + random() * (1 - first) : 1
      const half = random ? length >> 1 : 0
      await pass(clock, totalMs * first, signal)
      let taken = half > 0 ? await take(0, half) : 0
      await pass(clock, totalMs * (second - first), signal)
      if (taken === half) taken += await take(half, length)
      await pass(clock, totalMs * (1 - second), signal)
      return taken
    } finally {
      this.active--
    }
  }
}

/** No time at all needs no waiting: that would only be one more turn. */
async function pass(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (ms > 0) await clock.sleep(ms, signal)
}
