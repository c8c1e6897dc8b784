import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { type ErrorCode, type ErrorContext, StorageError } from '../errors/storage-error.ts'

/** The name by which the platform tells failures apart; undefined for what is no error. */
export function errorName(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'name' in error ? String(error.name) : undefined
}

/**
 * Gives a failure of the platform one of our codes; what has one already passes unchanged.
 * A full quota is told by name: the class `QuotaExceededError` exists only in Chromium from 138
 * (https://developer.mozilla.org/docs/Web/API/QuotaExceededError), elsewhere it is a `DOMException` of that name.
 */
export function platformError(error: unknown, code: ErrorCode, context: ErrorContext = {}): unknown {
  if (error instanceof StorageError || error instanceof InvalidArgumentError) return error
  const actual = errorName(error) === 'QuotaExceededError' ? 'QUOTA_EXCEEDED' : code
  return new StorageError(actual, undefined, { cause: error, context })
}
