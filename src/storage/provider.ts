import type { StorageEventListener, StorageEventMap } from './events.ts'

/** Options every data call takes. */
export interface IoOptions {
  /** Ends the call with `ABORTED`; bytes already written stay written. */
  signal?: AbortSignal
  /**
   * Called by a storage that takes only so many writes at once, when this one has been taken, and told whether it had to wait for that: who reads
   * ahead learns how far is of use. Others never call it; a write in several parts may call it for each.
   */
  departs?: (waited: boolean) => void
}

/** How whole blocks are written whose content is known by digests. */
export interface BlockIoOptions extends IoOptions {
  /** 16 bytes for each block; a storage at a peer sends them along, so that nothing damaged on the way is stored. */
  digests?: Uint8Array
}

/** A byte range of a disk. */
export interface Extent {
  readonly offset: number
  readonly length: number
}

/**
 * Random-access bytes of a fixed size: the one contract that everything else is written against.
 *
 * - A range that crosses the end is clipped and the count says so. An offset outside `0..size`, a fraction or a NaN rejects with a
 *   `RangeError`; length 0 is a no-op that returns 0.
 * - Bytes never written read as zero. After `close`, every call rejects with `CLOSED`.
 * - A count smaller than the clipped length never comes with success: a provider completes the range or rejects.
 *
 * Optional members are found by presence: a provider either has the method and honours it fully, or lacks it.
 */
export interface StorageProvider {
  /** Bytes; fixed for life; up to 2^53 - 1. */
  readonly size: number
  /** Fills `target` from `offset` and resolves with the byte count. `target` is borrowed until the promise settles. */
  readAt(target: Uint8Array, offset: number, options?: IoOptions): Promise<number>
  /** Stores `data` at `offset` and resolves with the byte count. `data` is borrowed until the promise settles; no view of it is kept. */
  writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number>
  /** Resolves when everything acknowledged before the call would survive a crash. */
  flush(): Promise<void>
  /** Releases the storage; idempotent. Does not imply `flush`. */
  close(): Promise<void>
  /** Advice that newer data for this range follows, so queued older writes may be dropped. Never required. */
  cancelWrites(offset: number, length: number): void

  /** Bytes of a call beyond which a byte gets no cheaper; for whoever may choose how much to move at once. */
  readonly preferredBytes?: number
  /** Makes a range read as zero, cheaply where the storage can (discard); resolves with the clipped length. */
  zeroAt?(offset: number, length: number): Promise<number>
  /** The parts of a range that may hold non-zero bytes: ascending, disjoint, inside the clipped range. */
  extents?(offset: number, length: number): Promise<readonly Extent[]>
  /** Synchronous twin of `readAt`, for storages that answer without waiting (memory, a sync access handle in a worker). */
  readAtSync?(target: Uint8Array, offset: number): number
  /** Synchronous twin of `writeAt`. */
  writeAtSync?(data: Uint8Array, offset: number): number
  /** Synchronous twin of `flush`. */
  flushSync?(): void
  /** Listens to what the storage has to tell; returns the function that stops listening. */
  on?<Type extends keyof StorageEventMap>(type: Type, listener: StorageEventListener<Type>): () => void
}
