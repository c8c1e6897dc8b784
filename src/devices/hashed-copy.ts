import { throwIfAborted } from '../async/abort.ts'
import type { DigestLevel } from '../protocol/packets/read-digests.ts'
import { BlockDigests, PAGE_BLOCKS } from '../storage/block-digests.ts'
import type { BlockHasher } from '../storage/block-hasher.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { readFully } from '../storage/sequential-reader.ts'
import { HASHED_BYTES } from './limits.ts'
import { readPages } from './read-pages.ts'

/** A disk that can be compared with another by digests of its pages of 256 blocks, whether it is here or at a peer. */
export interface ComparableCopy {
  readonly size: number
  readonly blockSize: number
  /** Digests of `count` pages from `first` on, in the form of `read-digests`. A copy. */
  digests(level: DigestLevel, first: number, count: number): Promise<Uint8Array>
  readAt(target: Uint8Array, offset: number): Promise<number>
  /** Writes whole blocks; refused where the copy may not be repaired. */
  writeAt(data: Uint8Array, offset: number): Promise<number>
  flush(): Promise<void>
}

/** A disk of this machine, read and hashed as far as somebody asks. What is written by others meanwhile may be seen or not. */
export class HashedCopy implements ComparableCopy {
  readonly blockSize: number
  readonly #storage: StorageProvider
  readonly #writer: StorageProvider | undefined
  readonly #digests: BlockDigests
  readonly #signal: AbortSignal | undefined
  #turn: Promise<unknown> = Promise.resolve()

  /** `writer`: where repairs go. Default: to the storage itself. */
  constructor(
    storage: StorageProvider,
    options: { blockSize: number; hasher: BlockHasher; writer?: StorageProvider; signal?: AbortSignal },
  ) {
    this.#storage = storage
    this.#writer = options.writer
    this.#signal = options.signal
    this.blockSize = options.blockSize
    this.#digests = new BlockDigests(storage.size, options.blockSize, options.hasher)
  }

  get size(): number {
    return this.#storage.size
  }

  digests(level: DigestLevel, first: number, count: number): Promise<Uint8Array> {
    const { pageCount } = this.#digests
    const done = this.#turn.then(async () => {
      for (let page = first; page < Math.min(first + count, pageCount); page++) await this.#hash(page)
      return readPages(this.#digests, { level, first, count })
    })
    this.#turn = done.catch(() => {}) // Heard by who asked.
    return done
  }

  readAt(target: Uint8Array, offset: number): Promise<number> {
    return this.#storage.readAt(target, offset)
  }

  async writeAt(data: Uint8Array, offset: number): Promise<number> {
    const start = Math.floor(offset / this.blockSize)
    const end = Math.ceil((offset + data.length) / this.blockSize)
    try {
      return await (this.#writer ?? this.#storage).writeAt(data, offset)
    } finally {
      this.#digests.forget(start, Math.min(end, this.#digests.blockCount) - start)
    }
  }

  flush(): Promise<void> {
    return (this.#writer ?? this.#storage).flush()
  }

  async #hash(page: number): Promise<void> {
    const { blockCount, known } = this.#digests
    const { blockSize } = this
    const end = Math.min((page + 1) * PAGE_BLOCKS, blockCount)
    const most = Math.max(1, Math.floor(HASHED_BYTES / blockSize))
    const bytes = new Uint8Array(Math.min(most, end) * blockSize)
    for (let from = known.nextClear(page * PAGE_BLOCKS, end); from < end; ) {
      throwIfAborted(this.#signal)
      const next = known.nextSet(from, end)
      const to = Math.min(next < 0 ? end : next, from + most)
      const offset = from * blockSize
      const part = bytes.subarray(0, Math.min((to - from) * blockSize, this.size - offset))
      await readFully(this.#storage, part, offset)
      this.#digests.note(from, part)
      from = known.nextClear(to, end)
    }
  }
}
