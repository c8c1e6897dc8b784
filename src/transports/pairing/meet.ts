import { errorCode, StorageError } from '../../errors/storage-error.ts'
import type { Signalling } from './signalling.ts'

/**
 * Tries several ways at once and resolves with the first on which the other side is met; the others are closed. A guest that finds its host on two
 * ways goes on with one, and the host follows, since it counts a way as met only when a message comes.
 *
 * Ways that lead nowhere are left out, and so is one that knows no such host as long as another may.
 * @throws the most telling of the reasons when no way is left; `ABORTED`
 */
export async function meet(ways: readonly Signalling[], signal?: AbortSignal): Promise<Signalling> {
  const closeAll = (but?: Signalling) => {
    for (const way of ways) if (way !== but) way.close()
  }
  const stop = () => closeAll()
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted) stop()
  try {
    const met = await Promise.any(ways.map((way) => way.met.then(() => way)))
    closeAll(met)
    return met
  } catch (error) {
    closeAll()
    if (signal?.aborted) throw new StorageError('ABORTED', undefined, { cause: signal.reason })
    const reasons = error instanceof AggregateError ? error.errors : [error]
    throw mostTelling(reasons)
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

/** Somebody who refused says more than somebody who was not there, and that more than a way that was closed to all. */
function mostTelling(reasons: readonly unknown[]): unknown {
  const rank = (reason: unknown) => {
    const code = errorCode(reason)
    return code === 'OPEN_FAILED' ? 0 : code === 'NOT_FOUND' ? 1 : 2
  }
  return [...reasons].sort((a, b) => rank(b) - rank(a))[0]
}
