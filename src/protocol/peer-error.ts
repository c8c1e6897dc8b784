import { ERROR_CODES, type ErrorCode, errorCode, errorMessage, StorageError } from '../errors/storage-error.ts'
import type { Farewell } from './packets/failure.ts'

/** A failure as it is told to a peer: code and sentence, nothing of our insides. */
export function failureOf(error: unknown): { code: ErrorCode; message: string } {
  return { code: errorCode(error) ?? 'READ_FAILED', message: errorMessage(error) }
}

/**
 * A failure that a peer told us, made an error again; a code we do not know becomes `fallback`. So does `IN_DOUBT`: whether this side may have given a disk
 * away only its own records can tell, and a peer that could say so would stop its writer for ever.
 */
export function peerError({ code, message }: Pick<Farewell, 'code' | 'message'>, fallback: ErrorCode): StorageError {
  const known = Object.hasOwn(ERROR_CODES, code) && code !== 'IN_DOUBT' ? (code as ErrorCode) : fallback
  return new StorageError(known, `The peer says: ${message}`, { context: { peerCode: code } })
}
