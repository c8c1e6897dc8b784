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
  /** Gives the database to the other side; once it was given away, tells that side so. */
  | ({ readonly type: 'leave' } & WorkerLink)
  /** Takes the database of the other side, or hears from it whose the database is. */
  | ({ readonly type: 'come'; readonly place: DatabasePlace; readonly intervalMs: number } & WorkerLink)
  /** Uses a database in doubt without the word of the other side. */
  | { readonly type: 'takeOver' }

/** What the inserts come to. */
export interface Inserts {
  readonly rows: number
  readonly perSecond: number
  /** Milliseconds of the longest of the last ten seconds. */
  readonly longestMs: number
}

/** What the worker tells the page. */
export type FromDatabase =
  /** Inserts go on in this place, after so many rows. */
  | { readonly type: 'using'; readonly place: DatabasePlace; readonly rows: number }
  | { readonly type: 'inserts'; readonly inserts: Inserts }
  /** A picture of the blocks while it moves; transferred. */
  | { readonly type: 'moving'; readonly blocks: Uint8Array }
  /** The connection is proved, and the database on its way. `again` leads to the same side when the connection is lost. */
  | { readonly type: 'underWay'; readonly again: string }
  | {
      readonly type: 'swapped'
      readonly to: DatabasePlace
      readonly pauseMs: number
      readonly longestMs: number
      readonly bytesMoved: number
    }
  /** The database was given away, and the other side has not said that it knows. */
  | { readonly type: 'unheard' }
  /** All of the database is here, and the connection ended before the other side had said whose it is. */
  | { readonly type: 'doubted' }
  /** It could not be taken over. */
  | { readonly type: 'notTaken'; readonly error: WireError }
  /** The database is in use here, and the connection ended before the other side can have heard that. */
  | { readonly type: 'parted' }
  | { readonly type: 'left'; readonly rows: number; readonly pauseMs?: number; readonly bytesMoved?: number }
  /** `PRAGMA integrity_check`, the rows that are there, those that were told to be, and the number of the last one: they are numbered without a gap. */
  | {
      readonly type: 'checked'
      readonly said: string
      readonly rows: number
      readonly expected: number
      readonly last: number
    }
  | { readonly type: 'failed'; readonly error: WireError; readonly stillHere: boolean }
