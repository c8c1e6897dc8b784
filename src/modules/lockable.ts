import { StorageError } from '../errors/storage-error.ts'
import type { IoOptions, StorageProvider } from '../storage/provider.ts'
import { StorageWrapper } from '../storage/wrapper.ts'

/** `open`: writes pass. `draining`: new writes wait, some are still in flight. `locked`: new writes wait, none is in flight. */
export type LockState = 'open' | 'draining' | 'locked'

/**
 * A gate for writers that is a barrier: `lock` holds new writes back *and* waits for those already past the gate. Reads always pass.
 *
 * Held-back writes go on in the order they came when the gate opens, before any newer one. A synchronous write cannot wait: it throws
 * `LOCKED` while the gate is closed.
 */
export class Lockable<Inner extends StorageProvider = StorageProvider> extends StorageWrapper<Inner> {
  #state: LockState = 'open'
  #inFlight = 0
  readonly #held = new Set<() => void>()
  #drained: { resolve(): void; reject(error: unknown): void }[] = []
  zeroAt?: (offset: number, length: number) => Promise<number>
  writeAtSync?: (data: Uint8Array, offset: number) => number

  constructor(inner: Inner) {
    super(inner)
    if (inner.zeroAt) this.zeroAt = (offset, length) => this.#pass(() => inner.zeroAt!(offset, length), undefined)
    if (inner.writeAtSync) {
      this.writeAtSync = (data, offset) => {
        if (this.#state !== 'open') throw new StorageError('LOCKED', 'The disk is being handed over; writes wait.')
        return inner.writeAtSync!(data, offset)
      }
    }
  }

  get state(): LockState {
    return this.#state
  }

  /**
   * Closes the gate and resolves when no write is in flight. Locking a closed gate waits for the same moment.
   * Rejects with `ABORTED` when `unlock` comes first.
   */
  lock(): Promise<void> {
    if (this.#state === 'open') this.#state = this.#inFlight === 0 ? 'locked' : 'draining'
    if (this.#state === 'locked') return Promise.resolve()
    return new Promise((resolve, reject) => this.#drained.push({ resolve, reject }))
  }

  /** Opens the gate and starts the held-back writes, oldest first, before it returns. No effect on an open gate. */
  unlock(): void {
    if (this.#state === 'open') return
    this.#state = 'open'
    const waiting = this.#drained
    this.#drained = []
    for (const { reject } of waiting) reject(new StorageError('ABORTED', 'The gate was opened before it had drained.'))
    for (const start of [...this.#held]) {
      // A write that starts here may close the gate again.
      if (this.#state === 'open') start()
    }
  }

  override writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const { inner } = this
    if (this.#state === 'open' && inner.writeAtSync && !options?.signal) {
      // Nothing can be in flight between start and end of a synchronous write: no counting, and one promise instead of three.
      try {
        return Promise.resolve(inner.writeAtSync(data, offset))
      } catch (error) {
        return Promise.reject(error)
      }
    }
    return this.#pass(() => inner.writeAt(data, offset, options), options?.signal)
  }

  override close(): Promise<void> {
    try {
      return this.inner.close()
    } finally {
      // Held-back writes must not wait for ever: they go on and meet a closed storage.
      this.unlock()
    }
  }

  #pass(write: () => Promise<number>, signal: AbortSignal | undefined): Promise<number> {
    if (this.#state === 'open') return this.#run(write)
    if (signal?.aborted) return Promise.reject(new StorageError('ABORTED', undefined, { cause: signal.reason }))
    return new Promise((resolve, reject) => {
      const start = () => {
        this.#held.delete(start)
        signal?.removeEventListener('abort', stop)
        resolve(this.#run(write))
      }
      const stop = () => {
        this.#held.delete(start)
        reject(new StorageError('ABORTED', undefined, { cause: signal?.reason }))
      }
      this.#held.add(start)
      signal?.addEventListener('abort', stop, { once: true })
    })
  }

  /** Counts the write as in flight before anything else can run: a lock in the same turn must wait for it. */
  async #run(write: () => Promise<number>): Promise<number> {
    this.#inFlight++
    try {
      return await write()
    } finally {
      this.#leave()
    }
  }

  #leave(): void {
    this.#inFlight--
    if (this.#inFlight > 0 || this.#state !== 'draining') return
    this.#state = 'locked'
    const waiting = this.#drained
    this.#drained = []
    for (const { resolve } of waiting) resolve()
  }
}
