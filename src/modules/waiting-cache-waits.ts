import { throwIfAborted } from '../async/abort.ts'
import { StorageError } from '../errors/storage-error.ts'
import { WAITING_CALLS } from './limits.ts'
import type { BlockSpan, WaitingCacheBlocks } from './waiting-cache-blocks.ts'

/** Where a waiting cache says what it wants. Both must not throw: what they throw is reported as an uncaught error. */
export interface BlockRequests {
  /**
   * Somebody waits for these blocks: whole ones, the last one of the disk cut at its end. Called once per run of neighbouring blocks, and for
   * a block not again before it was invalidated, failed to be stored, or the peer was changed.
   */
  readonly needAt?: (offset: number, length: number) => void
  /** These blocks were written here and need not be sent any more. Called once per block. */
  readonly dontNeedAt?: (offset: number, length: number) => void
}

interface Wait {
  /** Undefined: waits for all blocks of the disk, and asks for none. */
  readonly span: BlockSpan | undefined
  /** The first block that was missing when it was looked at last. */
  block: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * The calls that wait for blocks. Each is kept at one missing block only, its first; when that comes, it moves on to the next or goes on. So an
 * arriving block costs one look-up, and nothing at all when nobody waits.
 */
export class WaitingCacheWaits {
  readonly #blocks: WaitingCacheBlocks
  #requests: BlockRequests
  readonly #waits = new Map<number, Set<Wait>>()
  readonly #forAll = new Set<Wait>()
  #calls = 0
  #refusal: unknown

  constructor(blocks: WaitingCacheBlocks, requests: BlockRequests) {
    this.#blocks = blocks
    this.#requests = requests
  }

  /**
   * Asks for what the call lacks, then resolves when each block of it has been here once. Some may be out of date again by then: the caller looks.
   * Rejects with the reason of {@link refuse}, `ABORTED` or `LIMIT_EXCEEDED`.
   */
  until(span: BlockSpan, signal: AbortSignal | undefined): Promise<void> {
    return this.#until(span, signal)
  }

  /** Resolves when no block is missing; asks for none. */
  untilAll(signal: AbortSignal | undefined): Promise<void> {
    return this.#until(undefined, signal)
  }

  /** Asks for the blocks that a call lacks and nobody has asked for, all at once. */
  ask(span: BlockSpan | undefined): void {
    if (!span || this.#refusal !== undefined) return
    this.#blocks.takeUnexpected(span, (start, end) => this.#tell(this.#requests.needAt, start, end))
  }

  /** These blocks are our own now. */
  decline(start: number, end: number): void {
    if (this.#refusal === undefined) this.#tell(this.#requests.dontNeedAt, start, end)
  }

  /** Lets on whoever waited for one of these blocks and lacks no other. */
  arrived(start: number, end: number): void {
    if (this.#calls === 0) return
    if (this.#blocks.missingBlocks === 0) for (const wait of this.#forAll) wait.resolve()
    const found: Set<Wait>[] = []
    if (this.#waits.size < end - start) {
      for (const [block, waits] of this.#waits) if (block >= start && block < end) found.push(waits)
    } else {
      for (let block = start; block < end; block++) {
        const waits = this.#waits.get(block)
        if (waits) found.push(waits)
      }
    }
    for (const waits of found) for (const wait of [...waits]) this.#moveOn(wait)
  }

  /** Every call that still waits asks for what is not expected any more. */
  askAgain(): void {
    for (const waits of [...this.#waits.values()]) for (const { span } of waits) this.ask(span)
  }

  /** Ends all waits with this reason, and from here on whatever would have to wait. */
  refuse(reason: unknown): void {
    this.#refusal = reason
    this.#blocks.unexpectAll()
    for (const waits of [this.#forAll, ...this.#waits.values()]) for (const wait of [...waits]) wait.reject(reason)
  }

  /** Waits are taken again, and what is waited for is asked for anew. */
  accept(requests: BlockRequests | undefined): void {
    this.#refusal = undefined
    if (requests) this.#requests = requests
    this.#blocks.unexpectAll()
    this.askAgain()
  }

  #until(span: BlockSpan | undefined, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal)
      // A peer may answer, or turn out to be gone, while it is asked.
      this.ask(span)
      const block = this.#firstMissing(span)
      if (block < 0) return resolve()
      if (this.#refusal !== undefined) throw this.#refusal
      if (this.#calls >= WAITING_CALLS) {
        throw new StorageError('LIMIT_EXCEEDED', `More than ${WAITING_CALLS} calls wait for blocks to arrive.`)
      }
      const leave = () => {
        this.#remove(wait)
        this.#calls--
        signal?.removeEventListener('abort', stop)
      }
      const stop = () => {
        leave()
        reject(new StorageError('ABORTED', undefined, { cause: signal?.reason }))
      }
      const wait: Wait = {
        span,
        block,
        resolve: () => {
          leave()
          resolve()
        },
        reject: (error) => {
          leave()
          reject(error)
        },
      }
      this.#add(wait)
      this.#calls++
      signal?.addEventListener('abort', stop, { once: true })
    })
  }

  #firstMissing(span: BlockSpan | undefined): number {
    if (span) return this.#blocks.firstMissing(span)
    return this.#blocks.missingBlocks === 0 ? -1 : 0
  }

  #moveOn(wait: Wait): void {
    const { span } = wait
    if (!span || !this.#waits.get(wait.block)?.has(wait)) return
    const block = this.#blocks.firstMissing(span, wait.block)
    if (block < 0) {
      wait.resolve()
      return
    }
    this.#remove(wait)
    wait.block = block
    this.#add(wait)
    this.ask(span)
  }

  #add(wait: Wait): void {
    if (!wait.span) return void this.#forAll.add(wait)
    const waits = this.#waits.get(wait.block)
    if (waits) waits.add(wait)
    else this.#waits.set(wait.block, new Set([wait]))
  }

  #remove(wait: Wait): void {
    this.#forAll.delete(wait)
    const waits = this.#waits.get(wait.block)
    if (waits?.delete(wait) && waits.size === 0) this.#waits.delete(wait.block)
  }

  #tell(request: ((offset: number, length: number) => void) | undefined, start: number, end: number): void {
    const { blockSize, size } = this.#blocks
    try {
      request?.(start * blockSize, Math.min(end * blockSize, size) - start * blockSize)
    } catch (error) {
      // The failure of a listener must neither break the disk nor vanish: the host reports it as uncaught.
      queueMicrotask(() => {
        throw error
      })
    }
  }
}
