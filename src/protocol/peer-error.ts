import { ERROR_CODES, type ErrorCode, errorCode, errorMessage, StorageError } from '../errors/storage-error.ts'
import type { Farewell } from './packets/failure.ts'

/** A failure as it is told to a peer: code and sentence, nothing of our insides. */
export function failureOf(error: unknown): { code: ErrorCode; message: string } {
  return { code: errorCode(error) ?? 'READ_FAILED', message: errorMessage(error) }
}

/**
 * A failure that a peer told us, made an error again; a code we do not know becomes `fallback`. So does `IN_DOUBT`: whether this side may have given a disk
 * away only its own records can tell, and a peer that could say so would stop its writer for ever. And so does what a stranger has no reason to say.
 * The words end on a terminal, so nothing in them steers one.
 */
export function peerError(
  { code, message }: Pick<Farewell, 'code' | 'message'>,
  fallback: ErrorCode,
  { isStranger = false } = {},
): StorageError {
  const isTaken = isStranger ? STRANGERS_CODES.has(code) : Object.hasOwn(ERROR_CODES, code) && code !== 'IN_DOUBT'
  const context = { peerCode: plainText(code) }
  return new StorageError(isTaken ? (code as ErrorCode) : fallback, `The peer says: ${plainText(message)}`, { context })
}

/** Why a peer may end a connection before it has said who it is. */
const STRANGERS_CODES: ReadonlySet<string> = new Set([
  ...(['UNAUTHORIZED', 'INCOMPATIBLE', 'BUSY', 'MALFORMED', 'LIMIT_EXCEEDED', 'PEER_LOST'] as const),
])

/** Without controls of terminals, writing directions and lines. */
function plainText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
}
