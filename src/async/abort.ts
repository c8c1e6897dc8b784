import { StorageError } from '../errors/storage-error.ts'

/** What a wait that a signal ended rejects with: `ABORTED`, with the signal's reason as cause. */
export function abortError(signal: AbortSignal): StorageError {
  return new StorageError('ABORTED', undefined, { cause: signal.reason })
}

/** Throws `ABORTED`, with the signal's reason as cause, when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal)
}
