import type { WireError } from '../errors/wire.ts'

/**
 * What the page asks of the worker that holds a file. Requests are carried out one after the other, in the order they were sent.
 * A buffer is transferred with the request and comes back with the reply.
 */
export type OpfsRequest =
  | { readonly op: 'open'; readonly name: string; readonly size: number | undefined; readonly lockTimeoutMs: number }
  /** Fills the first `length` bytes of the buffer. */
  | { readonly op: 'read'; readonly offset: number; readonly length: number; readonly buffer: ArrayBuffer }
  /** Stores the first `length` bytes of the buffer. */
  | { readonly op: 'write'; readonly offset: number; readonly length: number; readonly buffer: ArrayBuffer }
  | { readonly op: 'flush' }
  | { readonly op: 'release' }
  | { readonly op: 'close' }

/** A request with the number by which its reply is known. */
export interface NumberedRequest {
  readonly id: number
  readonly request: OpfsRequest
}

/** The answer: no `error` means done. */
export interface OpfsReply {
  readonly id: number
  readonly error?: WireError
  readonly buffer?: ArrayBuffer
  /** Bytes of the disk, in the answer to `open`. */
  readonly size?: number
}
