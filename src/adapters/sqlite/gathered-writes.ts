import { after, type Soon } from './in-turn.ts'
import { BYTES_UNDER_WAY, GATHER_BYTES } from './limits.ts'
import type { ProviderIo } from './provider-io.ts'

interface WriteUnderWay {
  readonly offset: number
  readonly end: number
  /** Resolves when it ended, however it ended. */
  readonly landed: Promise<void>
}

/**
 * Writes of neighbouring bytes as one, in the order in which they came: a run is given to the storage as soon as a write does not continue it. What
 * a storage does later is not waited for before {@link settle}, so a failure shows there.
 */
export class GatheredWrites {
  #io: ProviderIo
  readonly #run = new Uint8Array(GATHER_BYTES)
  #start = 0
  #length = 0
  readonly #underWay = new Set<WriteUnderWay>()
  #bytesUnderWay = 0
  #failure: { readonly error: unknown } | undefined

  constructor(io: ProviderIo) {
    this.#io = io
  }

  /** Later writes go there. Nothing may be held back or under way, unless both lead to the same storage. */
  turnTo(io: ProviderIo): void {
    this.#io = io
  }

  /** `data` is not kept. */
  write(data: Uint8Array, offset: number): Soon<void> {
    const end = this.#start + this.#length
    if (
      this.#length > 0 &&
      offset >= this.#start &&
      offset <= end &&
      offset + data.length - this.#start <= GATHER_BYTES
    ) {
      this.#run.set(data, offset - this.#start)
      this.#length = Math.max(this.#length, offset + data.length - this.#start)
      return
    }
    return after(this.send(), () => {
      if (data.length >= GATHER_BYTES) return this.#give(data, offset)
      this.#run.set(data)
      this.#start = offset
      this.#length = data.length
    })
  }

  /** Gives what is held back to the storage. */
  send(): Soon<void> {
    if (this.#length === 0) return
    const run = this.#run.subarray(0, this.#length)
    this.#length = 0
    return this.#give(run, this.#start)
  }

  /** Before a read: what was written to the range has landed then. */
  before(offset: number, length: number): Soon<void> {
    const end = offset + length
    if (this.#length > 0 && offset < this.#start + this.#length && end > this.#start) {
      return after(this.send(), () => this.#wait(offset, end))
    }
    return this.#wait(offset, end)
  }

  /** Resolves when everything written has landed. @throws what the first write that failed since the last call threw */
  settle(): Soon<void> {
    return after(this.send(), () => after(this.#wait(0, Number.POSITIVE_INFINITY), () => this.#throwFailure()))
  }

  #throwFailure(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure) throw failure.error
  }

  #wait(offset: number, end: number): Soon<void> {
    const landings: Promise<void>[] = []
    for (const write of this.#underWay) if (write.offset < end && write.end > offset) landings.push(write.landed)
    if (landings.length > 0) return Promise.all(landings).then(() => {})
  }

  /** `data` may be used anew when this returns, or when its promise settles. */
  #give(data: Uint8Array, offset: number): Soon<void> {
    // Storages need not keep the order of writes that overlap.
    const ready = this.#wait(offset, offset + data.length)
    if (ready instanceof Promise) {
      const copy = data.slice()
      return ready.then(() => this.#give(copy, offset))
    }
    if (this.#isAtOnce) return this.#io.write(data, offset)
    const copy = data.slice()
    const written = this.#io.write(copy, offset)
    if (!(written instanceof Promise)) return
    const write: WriteUnderWay = {
      offset,
      end: offset + copy.length,
      landed: written.then(
        () => this.#land(write),
        (error: unknown) => {
          this.#failure ??= { error }
          this.#land(write)
        },
      ),
    }
    this.#underWay.add(write)
    this.#bytesUnderWay += copy.length
    if (this.#bytesUnderWay > BYTES_UNDER_WAY) return this.#wait(0, Number.POSITIVE_INFINITY)
  }

  get #isAtOnce(): boolean {
    return this.#io.isAtOnce
  }

  #land(write: WriteUnderWay): void {
    this.#underWay.delete(write)
    this.#bytesUnderWay -= write.end - write.offset
  }
}
