import { StorageError } from '../errors/storage-error.ts'

/** Throws `ABORTED`, with the signal's reason as cause, when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new StorageError('ABORTED', undefined, { cause: signal.reason })
}
