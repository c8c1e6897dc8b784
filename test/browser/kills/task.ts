/** Where a side stops for ever, to be killed there. */
export type Halt =
  /** After so many bytes of the disk were read, or written. More than the disk: in a later round. */
  | { readonly at: 'bytes'; readonly bytes: number }
  /** Before or after it is stored that the disk is in this state. */
  | { readonly at: 'before' | 'after'; readonly state: 'prepared' | 'released' | 'gone' | 'owner' }

/** What a side does. */
export interface Task {
  readonly side: 'source' | 'destination'
  readonly place: 'opfs' | 'indexeddb'
  /** Of the relay. */
  readonly url: string
  /** Grows with each start of either side: writes of a later life have larger numbers. */
  readonly life: number
  readonly size: number
  readonly blockSize: number
  readonly halt?: Halt
}

/** What a side tells. Times are of the machine. */
export type Note =
  | { readonly type: 'halted' }
  | { readonly type: 'failed'; readonly message: string }
  /** These writes were acknowledged, and a flush after them. */
  | { readonly type: 'flushed'; readonly writes: readonly (readonly [slot: number, number: number])[] }
  /** A write was acknowledged at this time: the latest of a source, the first of a destination. */
  | { readonly type: 'wrote'; readonly atMs: number }
  | { readonly type: 'connected'; readonly share: number }
  /** `dirtied`: bytes of blocks that were written meanwhile and crossed again, over the last connection. */
  | { readonly type: 'done'; readonly root: string; readonly dirtied: number }

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
