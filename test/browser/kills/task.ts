import type { MigrationStrategy } from '../../../src/migration/live-options.ts'

/** Where a side stops for ever, to be killed there. */
export type Halt =
  /** After so many bytes of the disk were read, or written. More than the disk: in a later round. */
  | { readonly at: 'bytes'; readonly bytes: number }
  /** The same, counted from when the disk was given away, or taken, with blocks missing. Less than a block: at the first one. */
  | { readonly at: 'rest'; readonly bytes: number }
  /** Before or after it is stored that the disk is in this state; `whole`: owner, and nothing is missing. */
  | { readonly at: 'before' | 'after'; readonly state: 'prepared' | 'released' | 'gone' | 'owner' | 'whole' }

/** What a side does. */
export interface Task {
  readonly side: 'source' | 'destination'
  readonly strategy: MigrationStrategy
  readonly place: 'opfs' | 'indexeddb'
  /** Of the relay. */
  readonly url: string
  /** Grows with each start of either side: writes of a later life have larger numbers. */
  readonly life: number
  readonly size: number
  readonly blockSize: number
  readonly halt?: Halt
  /** How long calls that lack a block wait for a source that is lost. */
  readonly reconnectMs: number
}

/** What a side tells. Times are of the machine. */
export type Note =
  | { readonly type: 'halted' }
  | { readonly type: 'failed'; readonly message: string }
  /** These writes were acknowledged, the last one at this time, and a flush after them. */
  | {
      readonly type: 'flushed'
      readonly writes: readonly (readonly [slot: number, number: number])[]
      readonly atMs: number
    }
  /** A write was acknowledged at this time: the latest of a source that has ended, the first of a destination. */
  | { readonly type: 'wrote'; readonly atMs: number }
  /** So much of the disk is known on this side. */
  | { readonly type: 'connected' | 'moved'; readonly share: number }
  | { readonly type: 'disconnected'; readonly code: string | undefined }
  /** Ownership has passed, and a read of a block that is not here failed. */
  | { readonly type: 'lacks'; readonly code: string | undefined }
  /** `dirtied`: bytes of blocks that were written meanwhile and crossed again, over the last connection. */
  | { readonly type: 'done'; readonly root: string | undefined; readonly dirtied: number }

/** What a disk holds at the end. */
export interface Remains {
  readonly state: string
  readonly root: string | undefined
  /** Hash of the disk, read from the first byte to the last. */
  readonly hash: string
  /** Lowest number in each slot that was ever written. */
  readonly numbers: readonly (readonly [slot: number, number: number])[]
}

/** Bytes of one write. */
export const SLOT_BYTES = 4096

/** Slots that the program writes to, one in each sixteenth of the disk; few, so that some blocks are written again and again. */
export function slotOf(number: number, size: number): number {
  const slots = size / SLOT_BYTES
  return (Math.floor((number % 16) * (slots / 16)) + (Math.floor(number / 16) % 4)) % slots
}
