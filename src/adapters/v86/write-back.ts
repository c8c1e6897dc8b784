import { StorageError } from '../../errors/storage-error.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import { readFully } from '../../storage/sequential-reader.ts'
import { MOST_PENDING_BYTES, STORED_AT_ONCE_BYTES, TOO_FAR_AHEAD_BYTES, WRITE_BACK_BYTES } from './limits.ts'

interface PendingWrite {
  readonly offset: number
  readonly bytes: Uint8Array
}

/** Neighbouring writes that are being stored with one call. */
interface Run {
  readonly writes: number
  readonly offset: number
  readonly bytes: Uint8Array
  /** Resolves with what went wrong, if anything did. */
  readonly end: Promise<{ readonly error: unknown } | undefined>
}

/**
 * Writes that were taken and are not stored yet. They are stored one after another, neighbours together, and reads see them from the moment they were
 * taken. A write that fails stays, and is tried again with the next one and with {@link retry}: nothing is lost while the page lives.
 */
export class WriteBack {
  readonly #storage: StorageProvider
  readonly #onError: (error: unknown, offset: number, length: number) => void
  /** Oldest first. */
  readonly #pending: PendingWrite[] = []
  /** The oldest of them, in their order. */
  readonly #underWay: Run[] = []
  readonly #waiting: (() => void)[] = []
  /** Who waits until so many have been stored. */
  readonly #settling: { readonly writes: number; resolve(): void; reject(error: unknown): void }[] = []
  #bytes = 0
  #stored = 0
  #isStoring = false
  #isTooFarAhead = false
  #failure: { readonly error: unknown } | undefined

  /** `onError` hears of each write that could not be stored or was not taken. */
  constructor(storage: StorageProvider, onError: (error: unknown, offset: number, length: number) => void) {
    this.#storage = storage
    this.#onError = onError
  }

  get pendingBytes(): number {
    return this.#bytes
  }

  /** Takes a copy of `bytes` at once; calls `taken` as soon as there is room for more, for who waits for that. */
  write(offset: number, bytes: Uint8Array, taken: () => void): void {
    const { writeAtSync } = this.#storage
    if (writeAtSync && this.#pending.length === 0) {
      try {
        this.#storage.writeAtSync!(bytes, offset)
        taken()
        return
      } catch {
        // A gate that is closed, or a fault: the other way waits, and says so.
      }
    }
    if (this.#bytes + bytes.length > MOST_PENDING_BYTES) {
      this.#tellTooMuch(offset, bytes.length)
      return
    }
    this.#pending.push({ offset, bytes: bytes.slice() })
    this.#bytes += bytes.length
    if (this.#bytes <= WRITE_BACK_BYTES) taken()
    else this.#waiting.push(taken)
    if (this.#bytes > TOO_FAR_AHEAD_BYTES && !this.#isTooFarAhead) {
      this.#isTooFarAhead = true
      this.#tellTooMuch(offset, bytes.length)
    }
    this.retry()
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

  /** Resolves when everything taken so far is stored; what is taken meanwhile may not be. @throws why something could not be */
  settled(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure.error)
    if (this.#pending.length === 0) return Promise.resolve()
    const writes = this.#stored + this.#pending.length
    return new Promise((resolve, reject) => this.#settling.push({ writes, resolve, reject }))
  }

  /** Tries again what failed. */
  retry(): void {
    this.#failure = undefined
    if (!this.#isStoring) void this.#store()
  }

  /** Asks the storage within this turn for all that waits, up to what must wait for a write that is under way. */
  hurry(): void {
    let writes = this.#underWay.reduce((sum, run) => sum + run.writes, 0)
    while (writes < this.#pending.length) {
      const next = this.#runFrom(writes)
      const end = next.offset + next.bytes.length
      if (this.#underWay.some(({ offset, bytes }) => offset < end && next.offset < offset + bytes.length)) break
      this.#post(next)
      writes += next.writes
    }
    this.retry()
  }

  async #store(): Promise<void> {
    this.#isStoring = true
    while (this.#pending.length > 0) {
      if (this.#underWay.length === 0) this.#post(this.#runFrom(0))
      const { writes, offset, bytes, end } = this.#underWay[0]!
      const failure = await end
      if (failure) {
        // Those behind it are stored again, after it.
        for (const run of this.#underWay.splice(0)) await run.end
        this.#isStoring = false
        this.#fail(failure.error, offset, bytes.length)
        return
      }
      this.#underWay.shift()
      this.#pending.splice(0, writes)
      this.#stored += writes
      this.#bytes -= bytes.length
      this.#isTooFarAhead &&= this.#bytes > WRITE_BACK_BYTES
      while (this.#bytes <= WRITE_BACK_BYTES && this.#waiting.length > 0) this.#waiting.shift()!()
      while (this.#settling[0] && this.#settling[0].writes <= this.#stored) this.#settling.shift()!.resolve()
    }
    this.#isStoring = false
  }

  /** The writes from the `from`-th on that lie one behind another. */
  #runFrom(from: number): Omit<Run, 'end'> {
    const { offset, bytes: first } = this.#pending[from]!
    let end = from + 1
    let length = first.length
    for (; end < this.#pending.length; end++) {
      const next = this.#pending[end]!
      if (next.offset !== offset + length || length + next.bytes.length > STORED_AT_ONCE_BYTES) break
      length += next.bytes.length
    }
    const writes = end - from
    if (writes === 1) return { writes, offset, bytes: first }
    const bytes = new Uint8Array(length)
    for (const write of this.#pending.slice(from, end)) bytes.set(write.bytes, write.offset - offset)
    return { writes, offset, bytes }
  }

  #post(run: Omit<Run, 'end'>): void {
    const stored = async () => void (await this.#storage.writeAt(run.bytes, run.offset))
    const end = stored().then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
    this.#underWay.push({ ...run, end })
  }

  #fail(error: unknown, offset: number, length: number): void {
    this.#failure = { error }
    for (const { reject } of this.#settling.splice(0)) reject(error)
    this.#onError(error, offset, length)
  }

  #tellTooMuch(offset: number, length: number): void {
    const context = { pendingBytes: this.#bytes, offset, length }
    const sentence = 'The guest writes more than can be stored.'
    this.#onError(new StorageError('LIMIT_EXCEEDED', sentence, { context }), offset, length)
  }
}
