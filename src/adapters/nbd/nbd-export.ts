import { throwIfAborted } from '../../async/abort.ts'
import type { Clock } from '../../async/clock.ts'
import { StorageError } from '../../errors/storage-error.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import { readFully } from '../../storage/sequential-reader.ts'
import { allocationOf } from './allocation.ts'
import { ERRNO } from './codes.ts'
import { STATUS_BYTES, ZERO_BYTES, ZERO_STEP_BYTES } from './limits.ts'
import type { AllocationRange } from './replies.ts'
import { RequestFailure } from './request-failure.ts'

/** What is exported under a name. */
export interface NbdExportOptions {
  readonly provider: StorageProvider
  /** Default: false. */
  readonly readOnly?: boolean
  /** A line for people. Default: none. */
  readonly description?: string
}

/** How a writing request is to be carried out. */
export interface WriteTerms {
  /** The answer waits until the written data would survive a crash. */
  readonly durable: boolean
}

interface Waiter {
  readonly ready: () => boolean
  readonly resolve: () => void
}

/**
 * One disk as clients see it. What is behind it, and whether it may be written, can change while clients are connected.
 * Ranges are trusted; they were checked when the request came.
 */
export class NbdExport {
  readonly name: string
  readonly description: string
  /** Bytes; the same for every provider that stands behind the export. */
  readonly size: number
  readonly #clock: Clock
  #provider: StorageProvider
  #readOnly: boolean
  #active = 0
  #writing = 0
  #waiting: Waiter[] = []
  /** Requests wait for it while the provider is being exchanged. */
  #gate: Promise<void> | undefined
  #flushing: Promise<void> | undefined
  #nextFlush: Promise<void> | undefined

  constructor(name: string, options: NbdExportOptions, clock: Clock) {
    this.name = name
    this.description = options.description ?? ''
    this.size = options.provider.size
    this.#provider = options.provider
    this.#readOnly = options.readOnly ?? false
    this.#clock = clock
  }

  get readOnly(): boolean {
    return this.#readOnly
  }

  /** Refuses or allows writing from now on; resolves when no write is under way that was let in before. */
  async setReadOnly(readOnly: boolean): Promise<void> {
    this.#readOnly = readOnly
    if (readOnly) await this.#until(() => this.#writing === 0)
  }

  /**
   * Puts another provider behind the export: new requests wait, those under way end, what they wrote is flushed, then the new provider serves.
   * When the flush fails or the signal fires, all stays as it was.
   * @throws StorageError `SIZE_MISMATCH`, `ABORTED`, or what the flush threw.
   */
  async replace(provider: StorageProvider, signal?: AbortSignal): Promise<void> {
    if (provider.size !== this.size) {
      throw new StorageError('SIZE_MISMATCH', undefined, { context: { export: this.size, provider: provider.size } })
    }
    while (this.#gate) await this.#gate
    throwIfAborted(signal)
    let open = () => {}
    this.#gate = new Promise((resolve) => {
      open = resolve
    })
    try {
      await this.#until(() => this.#active === 0, signal)
      await this.#provider.flush()
      throwIfAborted(signal)
      this.#provider = provider
    } finally {
      this.#gate = undefined
      open()
    }
  }

  /** Fills `target`; it is borrowed until the promise settles. */
  read(target: Uint8Array, offset: number): Promise<void> {
    return this.#run((provider) => readFully(provider, target, offset))
  }

  /** Whether {@link readNow} can be used now. */
  get answersNow(): boolean {
    return this.#gate === undefined && this.#provider.readAtSync !== undefined
  }

  /** Fills `target` before it returns. */
  readNow(target: Uint8Array, offset: number): void {
    const count = this.#provider.readAtSync!(target, offset)
    if (count !== target.length) throw new StorageError('SHORT_READ', undefined, { context: { offset, got: count } })
  }

  /** Stores `data`; it is borrowed until the promise settles. */
  write(data: Uint8Array, offset: number, terms: WriteTerms): Promise<void> {
    return this.#runWriting(terms, (provider) => writeFully(provider, data, offset))
  }

  /**
   * Makes a range read as zero. `allocated`: by writing zeroes, so that no hole comes to be. `fast`: only if that is cheaper than writing;
   * a storage that knows its holes drops what it held, any other one has to write.
   */
  zero(
    offset: number,
    length: number,
    { allocated, fast, ...terms }: WriteTerms & { allocated: boolean; fast: boolean },
  ): Promise<void> {
    return this.#runWriting(terms, async (provider) => {
      if (fast && (allocated || !dropsZeroes(provider))) {
        throw new RequestFailure(ERRNO.ENOTSUP, 'zeroing is no faster than writing here')
      }
      if (allocated || !provider.zeroAt) await writeZeroes(provider, offset, length)
      else await this.#zeroInSteps(provider, offset, length)
    })
  }

  /** Lets go of a range. Where that would mean writing zeroes nothing is done, as the protocol allows. */
  trim(offset: number, length: number, terms: WriteTerms): Promise<void> {
    return this.#runWriting(terms, async (provider) => {
      if (dropsZeroes(provider)) await this.#zeroInSteps(provider, offset, length)
    })
  }

  /** Resolves when every write answered before would survive a crash. */
  flush(): Promise<void> {
    return this.#run((provider) => this.#flush(provider))
  }

  /** Which parts of the start of a range are holes; all is data where the storage cannot tell. `length` is at least 1. */
  allocation(offset: number, length: number): Promise<readonly AllocationRange[]> {
    return this.#run(async (provider) => {
      if (!provider.extents) return [{ length, hole: false }]
      const looked = Math.min(length, STATUS_BYTES)
      return allocationOf(await provider.extents(offset, looked), offset, looked)
    })
  }

  #runWriting(terms: WriteTerms, work: (provider: StorageProvider) => Promise<void>): Promise<void> {
    return this.#run(async (provider) => {
      // Asked again: the export may have become read-only while the payload came or the gate was closed.
      if (this.#readOnly) throw new RequestFailure(ERRNO.EPERM, 'the export is read-only')
      this.#writing++
      try {
        await work(provider)
        if (terms.durable) await this.#flush(provider)
      } finally {
        this.#writing--
      }
    })
  }

  async #run<Result>(work: (provider: StorageProvider) => Promise<Result>): Promise<Result> {
    while (this.#gate) await this.#gate
    this.#active++
    try {
      return await work(this.#provider)
    } finally {
      this.#active--
      this.#wake()
    }
  }

  /** Many may ask at once: one flush is under way, one more waits for its end and serves all who asked meanwhile. */
  #flush(provider: StorageProvider): Promise<void> {
    if (!this.#flushing) return this.#startFlush(provider)
    this.#nextFlush ??= this.#flushing.then(
      () => this.#startFlush(provider),
      () => this.#startFlush(provider),
    )
    return this.#nextFlush
  }

  async #startFlush(provider: StorageProvider): Promise<void> {
    this.#nextFlush = undefined
    const flushing = provider.flush()
    this.#flushing = flushing
    try {
      await flushing
    } finally {
      if (this.#flushing === flushing) this.#flushing = undefined
    }
  }

  async #zeroInSteps(provider: StorageProvider, offset: number, length: number): Promise<void> {
    for (let done = 0; done < length; done += ZERO_STEP_BYTES) {
      if (done > 0) await this.#clock.yield()
      const step = Math.min(ZERO_STEP_BYTES, length - done)
      checkCount(await provider.zeroAt!(offset + done, step), step)
    }
  }

  async #until(ready: () => boolean, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    if (ready()) return
    let stop: (() => void) | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        const waiter = { ready, resolve }
        this.#waiting.push(waiter)
        stop = () => {
          this.#waiting = this.#waiting.filter((other) => other !== waiter)
          reject(new StorageError('ABORTED', undefined, { cause: signal?.reason }))
        }
        signal?.addEventListener('abort', stop, { once: true })
      })
    } finally {
      if (stop) signal?.removeEventListener('abort', stop)
    }
  }

  #wake(): void {
    if (this.#waiting.length === 0) return
    const ready = this.#waiting.filter((waiter) => waiter.ready())
    this.#waiting = this.#waiting.filter((waiter) => !ready.includes(waiter))
    for (const { resolve } of ready) resolve()
  }
}

/** A storage that knows its holes makes them as well; for any other one zeroes are data. */
function dropsZeroes(provider: StorageProvider): boolean {
  return provider.zeroAt !== undefined && provider.extents !== undefined
}

async function writeFully(provider: StorageProvider, data: Uint8Array, offset: number): Promise<void> {
  checkCount(await provider.writeAt(data, offset), data.length)
}

let zeroes: Uint8Array | undefined

async function writeZeroes(provider: StorageProvider, offset: number, length: number): Promise<void> {
  zeroes ??= new Uint8Array(ZERO_BYTES)
  for (let done = 0; done < length; done += ZERO_BYTES) {
    await writeFully(provider, zeroes.subarray(0, Math.min(ZERO_BYTES, length - done)), offset + done)
  }
}

function checkCount(got: number, expected: number): void {
  if (got !== expected) throw new StorageError('SHORT_WRITE', undefined, { context: { expected, got } })
}
