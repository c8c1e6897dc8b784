import { throwIfAborted } from './abort.ts'

/** The only source of time. Everything that sleeps or stamps takes one, so that a simulation can drive it. */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back; fractions allowed. */
  now(): number
  /** Settles after at least `ms` milliseconds; rejects with `ABORTED` when the signal fires first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Lets other tasks (input, messages, timers) run once. Not clamped in hidden tabs, as timers are. */
  yield(): Promise<void>
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(abortReason(signal))
      const stop = () => {
        clearTimeout(timer)
        reject(abortReason(signal))
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', stop)
        resolve()
      }, ms)
      signal?.addEventListener('abort', stop, { once: true })
    }),
  yield: () => new Promise((resolve) => macrotask(resolve)),
}

function abortReason(signal: AbortSignal | undefined): unknown {
  try {
    throwIfAborted(signal)
  } catch (error) {
    return error
  }
  return undefined
}

let tasks: { port: MessagePort; waiting: (() => void)[] } | undefined

/** A task of its own: `setImmediate` where it exists, else a message to ourselves, since browsers clamp nested timers to 4 ms. */
function macrotask(run: () => void): void {
  const immediate = (globalThis as { setImmediate?: (run: () => void) => void }).setImmediate
  if (immediate) return void immediate(run)
  if (!tasks) {
    const { port1, port2 } = new MessageChannel()
    const waiting: (() => void)[] = []
    port1.onmessage = () => waiting.shift()?.()
    tasks = { port: port2, waiting }
  }
  tasks.waiting.push(run)
  tasks.port.postMessage(undefined)
}
