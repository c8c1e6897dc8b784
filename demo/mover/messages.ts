import type { WireError } from '../../src/errors/wire.ts'
import type { Settings } from './settings.ts'

/** Where a run is; the steps that the page shows, in this order. */
export type Step = 'fill' | 'full' | 'dirty' | 'locked' | 'compare'

/** What the page tells the worker. */
export type ToMover =
  /** Moves a disk; `reuse` takes the source as an earlier run left it. A picture is sent at most every `intervalMs`. */
  | { readonly type: 'start'; readonly settings: Settings; readonly reuse: boolean; readonly intervalMs: number }
  | { readonly type: 'cancel' }
  /** Deletes every disk of the demo. */
  | { readonly type: 'delete' }
  /** Gives a snapshot's buffer back to be filled again. */
  | { readonly type: 'recycle'; readonly blocks: Uint8Array }

/** Figures of a moment. Times in milliseconds, rates in bytes per second. */
export interface Figures {
  readonly elapsedMs: number
  readonly round: number
  readonly bytesMoved: number
  readonly movedRate: number
  readonly dirtyRate: number
  readonly dirtyBlocks: number
  readonly timeLeftMs: number | undefined
  readonly predictedPauseMs: number | undefined
  readonly writes: number
  /** Nothing has crossed for a while: what did is being made durable and read back. */
  readonly isChecking: boolean
}

/** What a finished move comes to. */
export interface Outcome {
  readonly settings: Settings
  readonly sourceRoot: string
  readonly destinationRoot: string
  readonly bytesMoved: number
  readonly rounds: number
  readonly durationMs: number
  /** From closing the gate for the program to the hand-over. */
  readonly pauseMs: number
  readonly predictedPauseMs: number | undefined
  /** The longest any single write of the program took, the pause included. */
  readonly longestWriteMs: number
  readonly writes: number
}

/** A run that did not finish: what is left of it. */
export interface Remains {
  readonly settings: Settings
  /** The source disk was filled, and is kept; otherwise nothing is. */
  readonly filled: boolean
  readonly writes: number
}

/** What the worker tells the page. */
export type FromMover =
  | { readonly type: 'step'; readonly step: Step }
  /** `blocks` is transferred: one byte per block as in block-byte.ts. */
  | { readonly type: 'snapshot'; readonly blocks: Uint8Array; readonly figures: Figures }
  /** How much of both sides has been read back, from 0 to 1. */
  | { readonly type: 'compared'; readonly share: number }
  | { readonly type: 'finished'; readonly outcome: Outcome }
  | { readonly type: 'cancelled'; readonly remains: Remains }
  | { readonly type: 'failed'; readonly error: WireError; readonly remains: Remains | undefined }
  | { readonly type: 'warning'; readonly message: string }
  | { readonly type: 'deleted' }
