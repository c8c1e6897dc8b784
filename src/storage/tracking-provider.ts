import type { Bitfield } from '../bitfield/bitfield.ts'
import type { StorageProvider } from './provider.ts'

/** What a migrator needs of its source: reading a block through it switches on tracking of that block. */
export interface TrackingStorageProvider extends StorageProvider {
  /** Bytes of a tracked block. */
  readonly blockSize: number
  /** Blocks that are dirty now; a kept count, not a scan. */
  readonly dirtyBlocks: number
  /** Whether a block is dirty now; for pictures. */
  isDirty(block: number): boolean
  /** For a source that must look for what has changed: brings the dirty set up to date. One that notices writes by itself has none. */
  scan?(): Promise<void>
  /**
   * Takes the dirty set: returns it and forgets it, tracking included. The caller owns the returned blocks until the destination has
   * them, and the field itself: it frees it.
   */
  sync(): Bitfield
  /** Switches on tracking for every block a byte range touches, as a read would. */
  trackAt(offset: number, length: number): void
  /** Blocks the destination is known to have already; undefined when the source cannot tell. The caller owns the field. */
  unrequiredBlocks(): Bitfield | undefined
  /** Whether the gate is closed or closing. */
  readonly isLocked?: boolean
  /** Closes the gate for writers and resolves when none is in flight: a barrier. */
  lock?(): Promise<void>
  /** Opens the gate. */
  unlock?(): void
  /** Reserves the source for one migration; returns the function that gives it back. A second claim throws `BUSY`. */
  claim?(): () => void
}
