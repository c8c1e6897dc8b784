import type { Clock } from '../async/clock.ts'
import { StorageError } from '../errors/storage-error.ts'
import { PAUSE_GRACE_MS } from './limits.ts'

/**
 * Stops what the writer waits for when that lasts longer than anybody expected; returns what ends the watch. No limit where a pause of any length is
 * accepted.
 */
export function limitPause(clock: Clock, maxPauseMs: number, stop: AbortController): () => void {
  const over = new AbortController()
  const late = () => stop.abort(new StorageError('DID_NOT_CONVERGE', 'The writer had to wait for too long.'))
  if (maxPauseMs < Number.POSITIVE_INFINITY) clock.sleep(maxPauseMs + PAUSE_GRACE_MS, over.signal).then(late, () => {}) // It has ended before.
  return () => over.abort()
}
