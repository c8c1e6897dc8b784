import { type ErrorCode, errorCode, errorMessage } from '../../errors/storage-error.ts'
import { ERRNO } from './codes.ts'

/** Why a request fails, as the client gets to know it. */
export class RequestFailure extends Error {
  /** One of `ERRNO`. */
  readonly errno: number

  constructor(errno: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.errno = errno
  }
}

/** What a code of ours is called in this protocol, where it is more than "input/output error". */
const ERRNO_OF: Partial<Record<ErrorCode, number>> = {
  QUOTA_EXCEEDED: ERRNO.ENOSPC,
  OUT_OF_MEMORY: ERRNO.ENOMEM,
  INVALID_ARGUMENT: ERRNO.EINVAL,
  // The disk went away for good, under this name at least: the client must hang up.
  CLOSED: ERRNO.ESHUTDOWN,
  LOCKED: ERRNO.ESHUTDOWN,
}

/** Any failure as one for the client; one that is for the client already stays as it is. */
export function toRequestFailure(error: unknown): RequestFailure {
  if (error instanceof RequestFailure) return error
  const code = errorCode(error)
  return new RequestFailure((code && ERRNO_OF[code]) ?? ERRNO.EIO, errorMessage(error), error)
}
