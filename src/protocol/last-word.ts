import { abortable, onAbort } from '../async/abort-watch.ts'
import type { Clock } from '../async/clock.ts'
import { CLOSE_MS } from './limits.ts'

/**
 * Says what cannot be taken back. An abort does not keep it from being said, and ends the wait for the answer, with `ABORTED`, only `CLOSE_MS` later: of a
 * peer that is there one wants to know what has become of the disk.
 */
export async function lastWord<Answer>(
  say: () => Promise<Answer>,
  { signal, clock }: { signal: AbortSignal | undefined; clock: Clock },
): Promise<Answer> {
  if (!signal) return say()
  const late = new AbortController()
  const over = new AbortController()
  const wait = () =>
    clock.sleep(CLOSE_MS, over.signal).then(
      () => late.abort(signal.reason),
      () => {}, // It was answered.
    )
  if (signal.aborted) void wait()
  const unwatch = onAbort(signal, () => void wait())
  try {
    return await abortable(say(), late.signal)
  } finally {
    unwatch()
    over.abort()
  }
}
