/**
 * The closed list of things the world can do to us, each with what it means and what to do about it.
 * Codes are stable; messages may change. The README's error table is checked against this list.
 */
export const ERROR_CODES = {
  ABORTED: 'The caller aborted the operation; the source goes on, start again when ready.',
  BUSY: 'Another migration is moving this source; wait for it or abort it.',
  CLOSED: 'The storage was closed; open it again.',
  CONNECTION_LOST: 'The browser dropped the database connection and reopening it failed; retry, then reload the page.',
  CORRUPT: 'Stored data does not have the expected form; check that the name or path belongs to this disk.',
  DAMAGED: 'Data was damaged on its way, and refused; it is sent again a few times.',
  DEADLINE_EXCEEDED:
    'The migration would end after its deadline; allow more time, or hand over before all blocks have moved.',
  DID_NOT_CONVERGE: 'The writer dirties blocks faster than they move; slow it down or allow a longer pause.',
  FLUSH_FAILED: 'The storage could not make written data durable; nothing was handed over.',
  IN_DOUBT:
    'Who owns the disk cannot be told until both sides have talked; nobody writes to it. Connect the two again.',
  INCOMPATIBLE: 'The peer speaks another version or lacks something required; use the same version on both sides.',
  INVALID_ARGUMENT: 'An argument is outside its domain; the message names it, what was expected and what came.',
  LIMIT_EXCEEDED: 'More was asked for than this side allows; the connection was closed to stay safe.',
  LOCKED: 'Someone else, often another tab, holds this disk; close it there and try again.',
  MALFORMED: 'Bytes from the peer do not have the agreed form; the connection was closed.',
  MIGRATION_FAILED: 'Some blocks could not be moved; the failures are listed, the source is unchanged.',
  NOT_FOUND: 'There is no disk with this name or path.',
  NOT_SUPPORTED: 'This browser or runtime lacks what the storage needs.',
  NOT_OWNER: 'The disk is not in the state that this step needs; it may have been handed over already.',
  OPEN_FAILED: 'The storage could not be opened; the cause says why.',
  OUT_OF_MEMORY: 'The disk does not fit in memory; use a sparse or a stored disk.',
  PEER_LOST: 'The other side is gone before everything was here; connect again to go on.',
  QUOTA_EXCEEDED: 'The browser or the disk is full; free space, then migrate again.',
  READ_FAILED: 'The storage could not read; the cause says why.',
  SHORT_READ: 'The storage returned fewer bytes than it holds.',
  SHORT_WRITE: 'The storage took fewer bytes than it was given.',
  SIZE_MISMATCH: 'Source and destination differ in size; create the destination with the size of the source.',
  UNAUTHORIZED: 'The peer could not prove the shared secret; check the link or the secret file.',
  VERIFY_FAILED: 'The destination does not hold what was sent; do not use it, check the storage.',
  WRITE_FAILED: 'The storage could not write; the cause says why.',
} as const

/** One of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES

/** Context of a failure in fields rather than prose; all values survive structured clone. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | undefined>>

/** What a failure carries besides its code. */
export interface StorageErrorOptions {
  cause?: unknown
  context?: ErrorContext
}

/** A failure of the world around us: a stable `code` for programs, a sentence for people, the `cause` beneath. */
export class StorageError extends Error {
  readonly code: ErrorCode
  readonly context: ErrorContext

  constructor(code: ErrorCode, message?: string, options: StorageErrorOptions = {}) {
    super(message ?? ERROR_CODES[code], options.cause === undefined ? undefined : { cause: options.cause })
    // Platform code tells cancellation by the name `AbortError`; ours must be told apart the same way.
    this.name = code === 'ABORTED' ? 'AbortError' : 'StorageError'
    this.code = code
    this.context = options.context ?? {}
  }
}

/** The code of a failure, or undefined when it is not one of ours. */
export function errorCode(error: unknown): ErrorCode | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : undefined
}

/** Two failures as one, the first in front and neither lost. */
export function combineErrors(first: unknown, second: unknown): unknown {
  if (first === undefined) return second
  if (second === undefined || second === first) return first
  return new AggregateError([first, second], `${errorMessage(first)}; then: ${errorMessage(second)}`)
}

/** The sentence of whatever was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
