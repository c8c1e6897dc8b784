import type { Bitfield } from '../bitfield/bitfield.ts'
import { checkBlockSize } from '../errors/invalid-argument-error.ts'
import { errorCode, StorageError } from '../errors/storage-error.ts'
import type { IoOptions, StorageProvider } from '../storage/provider.ts'
import { WaitingCacheBlocks } from './waiting-cache-blocks.ts'
import { WaitingCacheLocal, type WaitingCacheParts } from './waiting-cache-local.ts'
import { WaitingCacheOrder } from './waiting-cache-order.ts'
import { type ArrivingProvider, WaitingCacheRemote } from './waiting-cache-remote.ts'
import { type BlockRequests, WaitingCacheWaits } from './waiting-cache-waits.ts'

/** What a waiting cache starts with. */
export interface WaitingCacheOptions extends BlockRequests {
  /** Blocks that are here already, from an earlier run. Default: none. Copied. */
  readonly present?: Bitfield
  /** Blocks that were written here in an earlier run; they are present too. Default: none. Copied. */
  readonly own?: Bitfield
}

/** A disk whose blocks are still on the way. */
export interface WaitingCache {
  /**
   * The application's face. Reads and writes whose blocks are here pass at once; others ask for all blocks they lack and wait. Of a write only
   * the first and the last block can be lacking, if it covers them in part. It has no synchronous members, since those could not wait.
   *
   * A write makes the blocks it touches this side's own: nothing that arrives replaces them, and no invalidation touches them. Two writes to the
   * same bytes take effect in the order they were called in, waiting or not, as far as the storage below keeps it.
   */
  readonly local: StorageProvider
  /**
   * The face for whoever brings blocks. A write makes the blocks present that it covers to their last byte; parts of blocks are stored and make
   * nothing present, however many of them there are. Reads see what is stored, missing or not. Closing either face closes the disk.
   * A synchronous write throws `LOCKED` while the application is writing the same block.
   */
  readonly remote: ArrivingProvider
  readonly blockSize: number
  readonly numBlocks: number
  /** A kept count. */
  readonly missingBlocks: number
  /** Calls of the application that wait for blocks now. */
  readonly waitingCalls: number
  isPresent(block: number): boolean
  /** The blocks that are here: what a peer need not send. The caller frees the field. */
  presentBlocks(): Bitfield
  /** The blocks that were written here. The caller frees the field. */
  ownBlocks(): Bitfield
  /** Resolves when nothing is missing; asks for nothing. Rejects with `ABORTED`, `CLOSED` or the reason of {@link fail}. */
  whenComplete(options?: IoOptions): Promise<void>
  /**
   * The peer is lost: every call that waits for a block rejects with this error, and so does every later one that lacks a block. Those that lack none
   * go on. An error without a code of ours becomes the cause of a `PEER_LOST`, which is also the default.
   */
  fail(error?: unknown): void
  /**
   * There is a peer (again): waits are taken, and what is waited for is asked for anew. Also for a peer that changed without a failure.
   * With `requests`, these replace the ones before; `{}` asks nobody.
   */
  resume(requests?: BlockRequests): void
}

/**
 * Lets an application use a disk before its blocks have arrived: reads wait for their blocks and ask for them first.
 *
 * Who writes at the destination owns the disk; a source must not write after that, and what it sends of a block written here is dropped.
 * State: three bits a block, and one entry for each call that waits, at most `WAITING_CALLS`.
 */
export function createWaitingCache(
  destination: StorageProvider,
  blockSize: number,
  options: WaitingCacheOptions = {},
): WaitingCache {
  return new Cache(destination, checkBlockSize('blockSize', blockSize), options)
}

class Cache implements WaitingCache {
  readonly local: WaitingCacheLocal
  readonly remote: ArrivingProvider
  readonly #blocks: WaitingCacheBlocks
  readonly #waits: WaitingCacheWaits
  readonly #order = new WaitingCacheOrder()

  constructor(destination: StorageProvider, blockSize: number, options: WaitingCacheOptions) {
    this.#blocks = new WaitingCacheBlocks(destination.size, blockSize, options)
    this.#waits = new WaitingCacheWaits(this.#blocks, options)
    const parts: WaitingCacheParts = {
      destination,
      blocks: this.#blocks,
      waits: this.#waits,
      order: this.#order,
      close: () => {
        this.#close()
        return destination.close()
      },
    }
    this.local = new WaitingCacheLocal(parts)
    this.remote = new WaitingCacheRemote(parts)
  }

  get blockSize(): number {
    return this.#blocks.blockSize
  }

  get numBlocks(): number {
    return this.#blocks.numBlocks
  }

  get missingBlocks(): number {
    return this.#blocks.missingBlocks
  }

  get waitingCalls(): number {
    return this.local.waitingCalls
  }

  isPresent(block: number): boolean {
    return this.#blocks.isPresent(block)
  }

  presentBlocks(): Bitfield {
    return this.#blocks.presentBlocks()
  }

  ownBlocks(): Bitfield {
    return this.#blocks.ownBlocks()
  }

  whenComplete(options?: IoOptions): Promise<void> {
    return this.#waits.untilAll(options?.signal)
  }

  fail(error?: unknown): void {
    if (this.#blocks.closed) return
    this.#waits.refuse(
      errorCode(error) === undefined ? new StorageError('PEER_LOST', undefined, { cause: error }) : error,
    )
  }

  resume(requests?: BlockRequests): void {
    if (!this.#blocks.closed) this.#waits.accept(requests)
  }

  #close(): void {
    if (this.#blocks.closed) return
    this.#waits.refuse(new StorageError('CLOSED'))
    this.#blocks.close()
    if (this.#order.isIdle) this.#blocks.free()
    else this.#order.onIdle = () => this.#blocks.free()
  }
}
