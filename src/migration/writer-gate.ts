import { throwIfAborted } from '../async/abort.ts'
import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import type { TrackingStorageProvider } from '../storage/tracking-provider.ts'
import type { MigratorConfig } from './migrator-config.ts'

/** The gate that the writer stands before while a disk is handed over: the caller's handlers, or else the source's own lock. */
export class WriterGate {
  readonly #source: TrackingStorageProvider
  readonly #config: Pick<MigratorConfig, 'lockerHandler' | 'unlockerHandler' | 'signal'>
  #locked = false

  constructor(
    source: TrackingStorageProvider,
    config: Pick<MigratorConfig, 'lockerHandler' | 'unlockerHandler' | 'signal'>,
  ) {
    this.#source = source
    this.#config = config
  }

  /** The writer is locked out, or about to be. */
  get isLocked(): boolean {
    return this.#locked
  }

  /** Locks the writer out; resolves when none of its writes is in flight. @throws StorageError `ABORTED`, with the writer going on */
  async lock(): Promise<void> {
    const { lockerHandler, signal } = this.#config
    const lock = lockerHandler ?? this.#source.lock?.bind(this.#source)
    if (!lock) throw new InvalidArgumentError('lockerHandler', 'a function, or a source with a lock', undefined)
    this.#locked = true
    // Opening the gate ends the wait for a write that may never end. What a handler does must be over before it is undone.
    const stop = () => this.unlock()
    if (!lockerHandler) signal?.addEventListener('abort', stop)
    try {
      await lock()
      if (!this.#locked) throwIfAborted(signal)
    } catch (error) {
      this.unlock()
      throwIfAborted(signal)
      throw error
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  /** Lets the writer go on; no effect when it is not locked out. */
  unlock(): void {
    if (!this.#locked) return
    this.#locked = false
    if (this.#config.unlockerHandler) this.#config.unlockerHandler()
    else this.#source.unlock?.()
  }
}
