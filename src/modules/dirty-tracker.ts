import { Bitfield } from '../bitfield/bitfield.ts'
import { checkBlockSize } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { Extent, IoOptions, StorageProvider } from '../storage/provider.ts'
import { blockCount } from '../storage/range.ts'
import type { TrackingStorageProvider } from '../storage/tracking-provider.ts'
import { StorageWrapper } from '../storage/wrapper.ts'
import { Lockable } from './lockable.ts'

/** The two faces of a tracked disk. */
export interface DirtyTracker {
  /** The application's face: every write through it is noticed, and waits while the disk is handed over. */
  readonly local: Lockable
  /** The migrator's face: reading a block through it switches on tracking of that block. Its writes are not noticed. */
  readonly remote: TrackingStorageProvider
}

/** Who wants to know of accesses before and after they happen, such as a journal. Ranges are as they were asked for, in bytes, not yet checked. */
export interface AccessHooks {
  /**
   * Before anything of a write, or of a `zeroAt`, reaches the storage. The write waits for the promise, past the gate, so `lock` waits too, and
   * fails with it: then nothing was written, and its blocks count as dirty as after any failed write. Undefined lets it go on at once.
   */
  beforeWrite(offset: number, length: number): Promise<void> | undefined
  /** After a write ended, however it ended, and after its blocks became dirty; once for each call of `beforeWrite`. */
  afterWrite?(offset: number, length: number): void
  /** Before a block is read through `remote`, and after tracking was switched on. */
  beforeRead?(offset: number, length: number): void
  /** Parts of a range, ascending, that shall be read and not taken for a hole, also where they are one; asked before the storage is. */
  mustRead?(offset: number, length: number): readonly Extent[]
}

/**
 * Puts a tracker over a disk. From here on the application writes to `local` only; a write past it is not seen.
 *
 * A block that was never read through `remote` costs nothing: it will be read later anyway. State: two bits per block.
 *
 * With `hooks`, `local` has no `writeAtSync`: a synchronous write cannot wait for a journal. Without, they cost nothing.
 */
export function createDirtyTracker(source: StorageProvider, blockSize: number, hooks?: AccessHooks): DirtyTracker {
  const blocks = new TrackedBlocks(source.size, checkBlockSize('blockSize', blockSize))
  const local = new Lockable(hooks ? new HookedFace(source, blocks, hooks) : new LocalFace(source, blocks))
  return { local, remote: new RemoteFace(source, blocks, local, hooks) }
}

/** Which blocks are watched and which of them were written since. A block is dirty only while it is watched. */
class TrackedBlocks {
  readonly size: number
  readonly blockSize: number
  readonly #tracking: Bitfield
  #dirty: Bitfield
  #dirtyBlocks = 0

  constructor(size: number, blockSize: number) {
    this.size = size
    this.blockSize = blockSize
    this.#tracking = new Bitfield(blockCount(size, blockSize))
    this.#dirty = new Bitfield(this.#tracking.length)
  }

  get dirtyBlocks(): number {
    return this.#dirtyBlocks
  }

  isDirty(block: number): boolean {
    return this.#dirty.test(block)
  }

  track(offset: number, length: number): void {
    const last = this.#lastBlock(offset, length)
    if (last < 0) return
    const first = this.#block(offset)
    if (first === last) this.#tracking.set(first)
    else this.#tracking.setRange(first, last + 1)
  }

  mark(offset: number, length: number): void {
    const last = this.#lastBlock(offset, length)
    if (last < 0) return
    for (let block = this.#block(offset); block <= last; block++) {
      // Most writes hit a block that is dirty already: one look is enough then.
      if (this.#dirty.test(block) || !this.#tracking.test(block)) continue
      this.#dirty.set(block)
      this.#dirtyBlocks++
    }
  }

  take(): Bitfield {
    const taken = this.#dirty
    this.#dirty = new Bitfield(taken.length)
    this.#dirtyBlocks = 0
    // A taken block is read again before it counts as sent, and that read switches tracking on first.
    this.#tracking.andNot(taken)
    return taken
  }

  /** The last block of a range cut at the end; -1 for an empty range and for one that the storage refuses. */
  #lastBlock(offset: number, length: number): number {
    if (!(offset >= 0 && offset < this.size && length > 0)) return -1
    return this.#block(Math.min(offset + length, this.size) - 1)
  }

  /** Block numbers are below 2^32 and the block size is a power of two, so this is exact; it costs every write. */
  #block(offset: number): number {
    return (offset / this.blockSize) >>> 0
  }
}

/** Marks after the write has ended, however it ended: a failed write may have changed part of its range. */
class LocalFace extends StorageWrapper {
  readonly #blocks: TrackedBlocks
  zeroAt?: (offset: number, length: number) => Promise<number>
  writeAtSync?: (data: Uint8Array, offset: number) => number

  constructor(source: StorageProvider, blocks: TrackedBlocks) {
    super(source)
    this.#blocks = blocks
    if (source.zeroAt) {
      this.zeroAt = async (offset, length) => {
        try {
          return await source.zeroAt!(offset, length)
        } finally {
          blocks.mark(offset, length)
        }
      }
    }
    if (source.writeAtSync) {
      this.writeAtSync = (data, offset) => {
        try {
          return source.writeAtSync!(data, offset)
        } finally {
          blocks.mark(offset, data.length)
        }
      }
    }
  }

  override async writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const { length } = data
    try {
      return await this.inner.writeAt(data, offset, options)
    } finally {
      this.#blocks.mark(offset, length)
    }
  }
}

/** As {@link LocalFace}, and has somebody know of each write first. */
class HookedFace extends StorageWrapper {
  readonly #blocks: TrackedBlocks
  readonly #hooks: AccessHooks
  zeroAt?: (offset: number, length: number) => Promise<number>

  constructor(source: StorageProvider, blocks: TrackedBlocks, hooks: AccessHooks) {
    super(source)
    this.#blocks = blocks
    this.#hooks = hooks
    if (source.zeroAt) {
      this.zeroAt = (offset, length) => this.#write(offset, length, () => source.zeroAt!(offset, length))
    }
  }

  override writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    return this.#write(offset, data.length, () => this.inner.writeAt(data, offset, options))
  }

  async #write(offset: number, length: number, write: () => Promise<number>): Promise<number> {
    try {
      const ready = this.#hooks.beforeWrite(offset, length)
      if (ready) await ready
      return await write()
    } finally {
      this.#blocks.mark(offset, length)
      this.#hooks.afterWrite?.(offset, length)
    }
  }
}

/** Switches tracking on *before* it reads: a write that lands in between is then at worst sent twice, never missed. */
class RemoteFace extends StorageWrapper implements TrackingStorageProvider {
  readonly blockSize: number
  readonly #blocks: TrackedBlocks
  readonly #local: Lockable
  readonly #hooks: AccessHooks | undefined
  /** The function that gives the claim back; it is its own proof of whose claim it is. */
  #claim: (() => void) | undefined
  zeroAt?: (offset: number, length: number) => Promise<number>
  writeAtSync?: (data: Uint8Array, offset: number) => number

  constructor(source: StorageProvider, blocks: TrackedBlocks, local: Lockable, hooks?: AccessHooks) {
    super(source)
    this.blockSize = blocks.blockSize
    this.#blocks = blocks
    this.#local = local
    this.#hooks = hooks
    if (source.zeroAt) this.zeroAt = (offset, length) => source.zeroAt!(offset, length)
    if (source.writeAtSync) this.writeAtSync = (data, offset) => source.writeAtSync!(data, offset)
    if (source.readAtSync) {
      this.readAtSync = (target, offset) => {
        this.#reading(offset, target.length)
        return source.readAtSync!(target, offset)
      }
    }
    if (source.extents) {
      this.extents = (offset, length): Promise<readonly Extent[]> => {
        // An answer "this is a hole" stands for a read of zeroes.
        blocks.track(offset, length)
        const mustRead = hooks?.mustRead?.(offset, length) ?? []
        const extents = source.extents!(offset, length)
        return mustRead.length === 0 ? extents : extents.then((found) => united(found, mustRead))
      }
    }
  }

  override readAt(target: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    this.#reading(offset, target.length)
    return this.inner.readAt(target, offset, options)
  }

  #reading(offset: number, length: number): void {
    this.#blocks.track(offset, length)
    this.#hooks?.beforeRead?.(offset, length)
  }

  get dirtyBlocks(): number {
    return this.#blocks.dirtyBlocks
  }

  isDirty(block: number): boolean {
    return this.#blocks.isDirty(block)
  }

  sync(): Bitfield {
    return this.#blocks.take()
  }

  trackAt(offset: number, length: number): void {
    this.#blocks.track(offset, length)
  }

  unrequiredBlocks(): undefined {
    return undefined
  }

  get isLocked(): boolean {
    return this.#local.state !== 'open'
  }

  lock(): Promise<void> {
    return this.#local.lock()
  }

  unlock(): void {
    this.#local.unlock()
  }

  claim(): () => void {
    if (this.#claim) throw new StorageError('BUSY')
    const giveBack = () => {
      if (this.#claim === giveBack) this.#claim = undefined
    }
    this.#claim = giveBack
    return giveBack
  }
}

/** What is in either of two ascending lists, as such a list. */
function united(first: readonly Extent[], second: readonly Extent[]): Extent[] {
  const extents: { offset: number; length: number }[] = []
  for (const { offset, length } of [...first, ...second].sort((a, b) => a.offset - b.offset)) {
    const last = extents.at(-1)
    if (!last || last.offset + last.length < offset) extents.push({ offset, length })
    else last.length = Math.max(last.length, offset + length - last.offset)
  }
  return extents
}
