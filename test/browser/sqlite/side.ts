/** Where a side stops for ever, so that its page can be closed there. */
export type Halt =
  /** Half way. */
  | { readonly at: 'half' }
  /** Before or after it is stored that the disk is in this state. */
  | { readonly at: 'before' | 'after'; readonly state: 'prepared' | 'released' | 'gone' | 'owner' }

/** What a side of a move between two tabs does. */
export interface SideTask {
  readonly side: 'source' | 'destination'
  /** Of the relay between them. */
  readonly url: string
  readonly halt?: Halt
}

/** What a side tells. */
export type SideNote =
  | { readonly type: 'halted' }
  | { readonly type: 'failed'; readonly message: string }
  /** So many rows were acknowledged. */
  | { readonly type: 'rows'; readonly rows: number }
  | { readonly type: 'refused'; readonly message: string }
  /** The other side has said that it has the database. */
  | { readonly type: 'told' }
  /** The database is used here. */
  | { readonly type: 'here'; readonly rows: number; readonly last: number; readonly sound: string }
  | { readonly type: 'remains'; readonly remains: SideRemains }

/** What is left of a side that does not run. */
export interface SideRemains {
  readonly state: string | undefined
  /** `open`, the code of the refusal, or that it is not to be opened. */
  readonly opened: string | undefined
}
