import {
  ERROR_CODES,
  type ErrorCode,
  type ErrorContext,
  errorCode,
  errorMessage,
  StorageError,
} from './storage-error.ts'

/** A failure in the form that survives structured clone: code, sentence, context and the chain of causes. */
export interface WireError {
  readonly code: ErrorCode | undefined
  readonly name: string
  readonly message: string
  readonly context: ErrorContext
  readonly cause?: WireError
}

/** Causes nested deeper than this are cut: a cause chain may be a loop. */
const CAUSE_DEPTH = 8

/** Puts any thrown value into a form that can cross a port. */
export function encodeError(error: unknown, depth = 0): WireError {
  const cause = error instanceof Error && error.cause !== undefined && depth < CAUSE_DEPTH ? error.cause : undefined
  return {
    code: errorCode(error),
    name: error instanceof Error ? error.name : 'Error',
    message: errorMessage(error),
    context: error instanceof StorageError ? error.context : {},
    ...(cause === undefined ? {} : { cause: encodeError(cause, depth + 1) }),
  }
}

/** Makes an error again of what {@link encodeError} wrote; an unknown code becomes a plain `Error`. */
export function decodeError(wire: WireError): Error {
  const cause = wire.cause === undefined ? undefined : decodeError(wire.cause)
  if (wire.code !== undefined && Object.hasOwn(ERROR_CODES, wire.code)) {
    return new StorageError(wire.code, wire.message, { cause, context: wire.context })
  }
  const error = new Error(wire.message, cause === undefined ? undefined : { cause })
  error.name = wire.name
  return error
}
