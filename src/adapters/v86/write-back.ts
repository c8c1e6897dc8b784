import type { StorageProvider } from '../../storage/provider.ts'
import { readFully } from '../../storage/sequential-reader.ts'
import { STORED_AT_ONCE_BYTES, WRITE_BACK_BYTES } from './limits.ts'

interface PendingWrite {
  readonly offset: number
  readonly bytes: Uint8Array
}

/**
 * Writes that were taken and are not stored yet. They are stored one after another, neighbours together, and reads see them from the moment they were
 * taken. A write that fails stays, and is tried again with {@link retry}: nothing is lost while the page lives.
 */
export class WriteBack {
  readonly #storage: StorageProvider
  readonly #onError: (error: unknown, offset: number, length: number) => void
  readonly #onStored: () => void
  /** Oldest first. */
  readonly #pending: PendingWrite[] = []
  readonly #waiting: (() => void)[] = []
  readonly #idle: { resolve(): void; reject(error: unknown): void }[] = []
  #bytes = 0
  #isStoring = false
  #failure: { readonly error: unknown } | undefined

  /** `onStored` is called when nothing is left to store. */
  constructor(
    storage: StorageProvider,
    handlers: { onError: (error: unknown, offset: number, length: number) => void; onStored: () => void },
  ) {
    this.#storage = storage
    this.#onError = handlers.onError
    this.#onStored = handlers.onStored
  }

  get pendingBytes(): number {
    return this.#bytes
  }

  /** Takes a copy of `bytes` at once; calls `taken` as soon as there is room for more. */
  write(offset: number, bytes: Uint8Array, taken: () => void): void {
    const { writeAtSync } = this.#storage
    if (writeAtSync && this.#pending.length === 0) {
      try {
        this.#storage.writeAtSync!(bytes, offset)
        this.#onStored()
        taken()
        return
      } catch {
        // A gate that is closed, or a fault: the other way waits, and says so.
      }
    }
    this.#pending.push({ offset, bytes: bytes.slice() })
    this.#bytes += bytes.length
    if (this.#bytes <= WRITE_BACK_BYTES) taken()
    else this.#waiting.push(taken)
    if (!this.#failure) void this.#store()
  }

  /** Reads what is stored, with what waits to be stored over it. @throws what the storage throws */
  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const target = new Uint8Array(length)
    // As of now: what is stored meanwhile is the same bytes.
    const over = this.#pending.filter(
      (write) => write.offset < offset + length && offset < write.offset + write.bytes.length,
    )
    const covers = over.some((write) => write.offset <= offset && offset + length <= write.offset + write.bytes.length)
    if (!covers) await readFully(this.#storage, target, offset, signal ? { signal } : {})
    for (const write of over) {
      const from = Math.max(offset, write.offset)
      const to = Math.min(offset + length, write.offset + write.bytes.length)
      target.set(write.bytes.subarray(from - write.offset, to - write.offset), from - offset)
    }
    return target
  }

  /** Resolves when everything taken so far is stored. @throws why something could not be */
  settled(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure.error)
    if (this.#pending.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => this.#idle.push({ resolve, reject }))
  }

  /** Tries again what failed. */
  retry(): void {
    if (!this.#failure) return
    this.#failure = undefined
    void this.#store()
  }

  async #store(): Promise<void> {
    if (this.#isStoring) return
    this.#isStoring = true
    try {
      while (this.#pending.length > 0) {
        const { writes, offset, bytes } = this.#next()
        try {
          await this.#storage.writeAt(bytes, offset)
        } catch (error) {
          this.#fail(error, offset, bytes.length)
          return
        }
        this.#pending.splice(0, writes)
        this.#bytes -= bytes.length
        while (this.#bytes <= WRITE_BACK_BYTES && this.#waiting.length > 0) this.#waiting.shift()!()
      }
    } finally {
      this.#isStoring = false
    }
    this.#onStored()
    for (const { resolve } of this.#idle.splice(0)) resolve()
  }

  /** The oldest writes that lie one behind another. */
  #next(): { writes: number; offset: number; bytes: Uint8Array } {
    const first = this.#pending[0]!
    let writes = 1
    let length = first.bytes.length
    for (; writes < this.#pending.length; writes++) {
      const next = this.#pending[writes]!
      if (next.offset !== first.offset + length || length + next.bytes.length > STORED_AT_ONCE_BYTES) break
      length += next.bytes.length
    }
    if (writes === 1) return { writes, offset: first.offset, bytes: first.bytes }
    const bytes = new Uint8Array(length)
    for (const write of this.#pending.slice(0, writes)) bytes.set(write.bytes, write.offset - first.offset)
    return { writes, offset: first.offset, bytes }
  }

  #fail(error: unknown, offset: number, length: number): void {
    this.#failure = { error }
    for (const { reject } of this.#idle.splice(0)) reject(error)
    this.#onError(error, offset, length)
  }
}
