import { errorMessage, StorageError } from '../errors/storage-error.ts'

/** A callback of the caller threw: that is not a fault of a block, and no attempt will mend it. Code `MIGRATION_FAILED`. */
export class HandlerError extends StorageError {
  constructor(cause: unknown) {
    super('MIGRATION_FAILED', `A handler failed: ${errorMessage(cause)}`, { cause })
  }
}

/** Calls a handler of the caller. @throws HandlerError */
export function callHandler(call: () => void): void {
  try {
    call()
  } catch (error) {
    throw new HandlerError(error)
  }
}
