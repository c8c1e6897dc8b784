import type { WireError } from '../../src/errors/wire.ts'
import type { TravellingChannel, WorkerLink } from '../travel/messages.ts'

/** Storages that outlive the page. */
export type DatabasePlace = 'indexeddb' | 'opfs'

/** What the page tells the worker. */
export type ToDatabase =
  /** Makes an empty database and begins to insert. */
  | { readonly type: 'start'; readonly place: DatabasePlace; readonly intervalMs: number }
  | { readonly type: 'swap'; readonly to: DatabasePlace }
  | { readonly type: 'check' }
  | ({ readonly type: 'connect' } & TravellingChannel)
  /** Gives the database to the other side. */
  | ({ readonly type: 'leave' } & WorkerLink)
  /** Takes the database of the other side. */
  | ({ readonly type: 'come'; readonly place: DatabasePlace; readonly intervalMs: number } & WorkerLink)

/** What the inserts come to. */
export interface Inserts {
  readonly rows: number
  readonly perSecond: number
  /** Milliseconds of the longest of the last ten seconds. */
  readonly longestMs: number
}

/** What the worker tells the page. */
export type FromDatabase =
  /** Inserts go on in this place. */
  | { readonly type: 'using'; readonly place: DatabasePlace }
  | { readonly type: 'inserts'; readonly inserts: Inserts }
  /** A picture of the blocks while it moves; transferred. */
  | { readonly type: 'moving'; readonly blocks: Uint8Array }
  /** The connection is proved, and the database on its way. */
  | { readonly type: 'underWay' }
  | {
      readonly type: 'swapped'
      readonly to: DatabasePlace
      readonly pauseMs: number
      readonly longestMs: number
      readonly bytesMoved: number
    }
  | { readonly type: 'left'; readonly pauseMs: number; readonly rows: number; readonly bytesMoved: number }
  /** `PRAGMA integrity_check`, the rows that are there, and those that were told to be. */
  | { readonly type: 'checked'; readonly said: string; readonly rows: number; readonly expected: number }
  | { readonly type: 'failed'; readonly error: WireError; readonly stillHere: boolean }
