import { abortError } from './abort.ts'

interface Watches {
  readonly stops: Set<() => void>
  readonly fire: () => void
}

const watched = new WeakMap<AbortSignal, Watches>()

/**
 * Calls `stop` once when the signal fires, in the order asked; returns what ends the watch. A signal that has fired already calls nobody. All watches of a
 * signal share one listener: of more than ten Node warns as of a leak, and removing one of thousands costs a search through all of them.
 */
export function onAbort(signal: AbortSignal, stop: () => void): () => void {
  const watches = watched.get(signal) ?? watch(signal)
  // A function of its own: the same `stop` may be asked for twice.
  const call = () => stop()
  watches.stops.add(call)
  return () => {
    if (!watches.stops.delete(call) || watches.stops.size > 0) return
    signal.removeEventListener('abort', watches.fire)
    watched.delete(signal)
  }
}

function watch(signal: AbortSignal): Watches {
  const stops = new Set<() => void>()
  const fire = () => {
    watched.delete(signal)
    for (const stop of stops) stop()
    stops.clear()
  }
  const watches = { stops, fire }
  watched.set(signal, watches)
  signal.addEventListener('abort', fire, { once: true })
  return watches
}

/** Settles as the promise does, or rejects with `ABORTED` as soon as the signal fires; what becomes of the promise then is nobody's business. */
export function abortable<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(abortError(signal))
    const over = onAbort(signal, () => reject(abortError(signal)))
    promise.then(resolve, reject).finally(over)
  })
}
