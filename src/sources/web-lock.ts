import type { Clock } from '../async/clock.ts'
import { StorageError } from '../errors/storage-error.ts'
import { errorName, platformError } from './platform-error.ts'

/** A lock that is held. */
export interface HeldLock {
  /** Gives it back; resolves when others can have it. Idempotent. */
  release(): Promise<void>
}

/**
 * Takes a Web Lock: exclusive among all tabs and workers of the origin, and freed by the browser when its holder dies, so it needs no
 * heartbeat and cannot be left behind (https://github.com/gluesql/gluesql-js/issues/21).
 *
 * @returns undefined where the browser has no Web Locks (before Chrome 69, Firefox 96, Safari 15.4)
 * @throws StorageError `LOCKED` when somebody holds it for all of `timeoutMs`
 */
export async function takeWebLock(
  name: string,
  options: { timeoutMs: number; clock: Clock },
): Promise<HeldLock | undefined> {
  const locks: LockManager | undefined = globalThis.navigator?.locks
  if (locks === undefined) return undefined
  const giveUp = new AbortController()
  const stopTimer = new AbortController()
  const locked = () => new StorageError('LOCKED', undefined, { context: { lock: name, timeoutMs: options.timeoutMs } })
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  let request: Promise<unknown> = Promise.resolve()
  const granted = new Promise<void>((resolve, reject) => {
    // Without any patience the lock is taken only if it is free; an abort could otherwise overtake a free lock's answer.
    const mode: LockOptions = options.timeoutMs > 0 ? { signal: giveUp.signal } : { ifAvailable: true }
    request = locks.request(name, mode, (lock) => {
      if (lock === null) return reject(locked())
      resolve()
      return held
    })
    request.catch(reject)
  })
  if (options.timeoutMs > 0) {
    options.clock.sleep(options.timeoutMs, stopTimer.signal).then(
      () => giveUp.abort(),
      () => {}, // The timer was stopped: the lock came first.
    )
  }
  try {
    await granted
  } catch (error) {
    if (errorName(error) === 'AbortError') throw locked()
    throw platformError(error, 'OPEN_FAILED')
  } finally {
    stopTimer.abort()
  }
  return {
    release: async () => {
      release()
      await request
    },
  }
}
