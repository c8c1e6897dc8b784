import { Bitfield } from '../bitfield/bitfield.ts'
import type { BlockOrder } from '../orders/block-order.ts'
import type { TrackingStorageProvider } from '../storage/tracking-provider.ts'

/**
 * Where each block of a replicated disk stands.
 *
 * ```
 *             collect           age, sweep           take           landed              flushed
 *   dirty ──────────────► young ───────────► ready ─────────► moving ─────────► landed ─────────► safe
 *   (the tracker's)                            ▲                 │ putBack
 *                                              └─────────────────┘
 * ```
 * A write brings a block back to the beginning from wherever it is. A block that was written while it was moving is owed again, and what landed of
 * it proves nothing. A handful of fields, no object for a block.
 */
export class SafeBlocks {
  readonly #source: TrackingStorageProvider
  /** Written since the last {@link age}; only there when somebody collects in between. */
  #fresh: Bitfield | undefined
  /** Written between the last two. */
  #young: Bitfield | undefined
  readonly #ready: Bitfield
  readonly #landed: Bitfield
  readonly #safe: Bitfield
  #cursor = 0
  #hasCollected = false

  /** `order` says what the destination lacks, an empty one that it lacks everything; it is empty afterwards. */
  constructor(source: TrackingStorageProvider, order: BlockOrder) {
    const { numBlocks } = order
    this.#source = source
    this.#ready = new Bitfield(numBlocks)
    this.#landed = new Bitfield(numBlocks)
    this.#safe = new Bitfield(numBlocks)
    if (order.available === 0) this.#ready.setAll()
    else {
      this.putBack(order)
      // What the destination is said to hold counts once that has flushed, and as long as nobody writes it here.
      this.#landed.setAll()
      this.#landed.andNot(this.#ready)
      this.#track(this.#landed)
    }
  }

  /** Blocks were written since the beginning: copies at the destination may be older. */
  get hasCollected(): boolean {
    return this.#hasCollected
  }

  get hasReady(): boolean {
    return !this.#ready.isEmpty()
  }

  get hasLanded(): boolean {
    return !this.#landed.isEmpty()
  }

  /** Blocks that wait for their turn or their age. */
  get owedBlocks(): number {
    return this.#ready.count() + (this.#young?.count() ?? 0) + (this.#fresh?.count() ?? 0)
  }

  /** Takes the tracker's dirty blocks over. */
  collect(): void {
    if (this.#source.dirtyBlocks === 0) return
    const dirty = this.#source.sync()
    this.#hasCollected = true
    this.#landed.andNot(dirty)
    this.#safe.andNot(dirty)
    if (this.#fresh) {
      this.#fresh.or(dirty)
      dirty.free()
    } else this.#fresh = dirty
  }

  /** What was written before the last call, and not since, has its age. */
  age(): void {
    this.collect()
    const fresh = this.#fresh ?? new Bitfield(this.#ready.length)
    this.#fresh = undefined
    if (this.#young) {
      this.#young.andNot(fresh)
      this.#ready.or(this.#young)
      this.#young.free()
    }
    fresh.andNot(this.#ready)
    // To be read later, but whoever writes meanwhile makes them young again.
    this.#track(fresh)
    this.#young = fresh
  }

  /** What was written so far is ready, whatever its age. */
  sweep(): void {
    this.collect()
    for (const owed of [this.#fresh, this.#young]) {
      if (owed) this.#ready.or(owed)
      owed?.free()
    }
    this.#fresh = undefined
    this.#young = undefined
    // What landed after it had been written once more must not count as sent when whoever waits for the write looks.
    this.#landed.andNot(this.#ready)
  }

  /** Up to `limit` ready blocks, each in its turn, however often others become ready. The caller sends them, puts them back, and frees the field. */
  take(limit: number): Bitfield {
    const { length } = this.#ready
    const taken = new Bitfield(length)
    let left = Math.min(limit, length)
    for (const from of [this.#cursor, 0]) {
      for (let start = this.#ready.nextSet(from); start >= 0 && left > 0; start = this.#ready.nextSet(this.#cursor)) {
        const end = this.#ready.nextClear(start, Math.min(start + left, length))
        taken.setRange(start, end)
        this.#ready.clearRange(start, end)
        left -= end - start
        this.#cursor = end
      }
    }
    // Their copies at the destination are about to be replaced.
    this.#landed.andNot(taken)
    this.#safe.andNot(taken)
    return taken
  }

  /** Whatever is left in the order was not sent. */
  putBack(order: BlockOrder): void {
    for (let run = order.next(order.numBlocks); run; run = order.next(order.numBlocks)) {
      this.#ready.setRange(run.start, run.start + run.count)
    }
  }

  /** The destination has stored these blocks. */
  landed(start: number, count: number): void {
    this.#landed.setRange(start, start + count)
  }

  /** The destination has flushed what landed; `awaited` loses it, written since or not. */
  flushed(awaited?: Bitfield): void {
    awaited?.andNot(this.#landed)
    // Written while they were on the way: what landed may be older.
    for (const owed of [this.#fresh, this.#young, this.#ready]) if (owed) this.#landed.andNot(owed)
    this.#safe.or(this.#landed)
    this.#landed.clearAll()
  }

  isSafe(block: number): boolean {
    return this.#safe.test(block) && !this.#source.isDirty(block)
  }

  /** The blocks that are safe now; the caller frees the field. */
  safe(): Bitfield {
    this.collect()
    return this.#safe.clone()
  }

  /** All others; the caller frees the field. */
  unsafe(): Bitfield {
    this.collect()
    const unsafe = new Bitfield(this.#safe.length)
    unsafe.setAll()
    unsafe.andNot(this.#safe)
    return unsafe
  }

  free(): void {
    for (const field of [this.#fresh, this.#young, this.#ready, this.#landed, this.#safe]) field?.free()
  }

  #track(blocks: Bitfield): void {
    const { blockSize, size } = this.#source
    blocks.forEachRun((start, count) => {
      const offset = start * blockSize
      this.#source.trackAt(offset, Math.min(count * blockSize, size - offset))
    })
  }
}
