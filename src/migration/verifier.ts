import { throwIfAborted } from '../async/abort.ts'
import type { Clock } from '../async/clock.ts'
import { Bitfield } from '../bitfield/bitfield.ts'
import { sharedStagingPool } from '../kernels/staging-pool.ts'
import type { BlockDigests } from '../storage/block-digests.ts'
import type { HashTree } from '../storage/hash-tree.ts'
import type { IoOptions, StorageProvider } from '../storage/provider.ts'
import { readFully } from '../storage/sequential-reader.ts'
import { HOLE_BYTES, RUN_BYTES, VERIFY_CONCURRENCY } from './limits.ts'
import { Turn } from './turn.ts'

/**
 * Proves that the destination holds what was sent: keeps the hash of each block as sent, reads back what was stored since the last look and
 * compares. What is checked while the writer still runs need not be checked while it waits.
 */
export class Verifier {
  readonly #digests: BlockDigests
  readonly #tree: HashTree
  readonly #unverified: Bitfield
  readonly #destination: StorageProvider
  readonly #clock: Clock

  /** `digests` hears of everything that is stored, and stays the caller's. */
  constructor(digests: BlockDigests, destination: StorageProvider, clock: Clock) {
    this.#clock = clock
    this.#digests = digests
    this.#tree = digests.tree
    this.#destination = destination
    this.#unverified = new Bitfield(digests.blockCount)
  }

  /** Notes neighbouring blocks as sent; `bytes` (undefined for zeroes) is only looked at. */
  stored(start: number, count: number, bytes: Uint8Array | undefined): void {
    if (bytes) this.#digests.note(start, bytes)
    else this.#digests.noteZero(start, count)
    this.#unverified.setRange(start, start + count)
  }

  /**
   * Reads back every block stored since it was last checked. Returns the blocks that are not what was sent, undefined when there are none; the
   * caller owns the field. Nothing may be written to the destination meanwhile.
   */
  async verify(options: IoOptions = {}): Promise<Bitfield | undefined> {
    const wrong = new Bitfield(this.#unverified.length)
    const readers = Array.from({ length: VERIFY_CONCURRENCY }, () => this.#readBack(wrong, options))
    const ended = await Promise.allSettled(readers)
    const failed = ended.find((end) => end.status === 'rejected')
    if (!failed && !wrong.isEmpty()) return wrong
    this.distrust(wrong)
    if (failed) throw failed.reason
    return undefined
  }

  /** Counts blocks as unverified again, and frees the field. */
  distrust(blocks: Bitfield): void {
    this.#unverified.or(blocks)
    blocks.free()
  }

  /** Gives every block that was sent and not found right to `visit`. */
  forEachUnverified(visit: (block: number) => void): void {
    this.#unverified.forEachRun((start, count) => {
      for (let block = start; block < start + count; block++) visit(block)
    })
  }

  free(): void {
    this.#unverified.free()
  }

  /** One of several readers: takes runs of unverified blocks until none is left. What it could not read stays unverified. */
  async #readBack(wrong: Bitfield, options: IoOptions): Promise<void> {
    const { blockSize, size } = this.#tree
    const runBlocks = Math.max(1, RUN_BYTES / blockSize)
    const turn = new Turn(this.#clock)
    for (let start = this.#unverified.nextSet(0); start >= 0; start = this.#unverified.nextSet(start)) {
      if (turn.isOver) await turn.pass()
      throwIfAborted(options.signal)
      // Others take blocks too, meanwhile as well.
      if (!this.#unverified.test(start)) continue
      const end = this.#unverified.nextClear(start, Math.min(start + runBlocks, this.#unverified.length))
      this.#unverified.clearRange(start, end)
      try {
        if (await this.#isVerifiedHole(start)) continue
        const slot = await sharedStagingPool().acquire(
          Math.min(end * blockSize, size) - start * blockSize,
          options.signal,
        )
        try {
          await readFully(this.#destination, slot.bytes, start * blockSize, options)
          this.#compare(start, slot.bytes, wrong)
        } finally {
          slot.release()
        }
      } catch (error) {
        this.#unverified.setRange(start, end)
        throw error
      }
    }
  }

  /** Whether the destination says that zeroes were never stored here, and zeroes they were; takes the rest of the hole along. */
  async #isVerifiedHole(start: number): Promise<boolean> {
    if (!this.#destination.extents) return false
    const { blockSize, size } = this.#tree
    const offset = start * blockSize
    const length = Math.min(HOLE_BYTES, size - offset)
    const least = Math.min(Math.max(1, RUN_BYTES / blockSize), Math.ceil(length / blockSize))
    // To list what a database stores costs far more than to read a run, so it is asked only where a run of zeroes was sent.
    if (!this.#tree.isZero(start, least)) return false
    const first = (await this.#destination.extents(offset, length))[0]
    const hole = first ? Math.floor((first.offset - offset) / blockSize) : Math.ceil(length / blockSize)
    if (hole < least || !this.#tree.isZero(start, hole)) return false
    this.#unverified.clearRange(start, start + hole)
    return true
  }

  #compare(start: number, bytes: Uint8Array, wrong: Bitfield): void {
    const { blockSize } = this.#tree
    for (let from = 0; from < bytes.length; ) {
      const block = this.#tree.firstMismatch(start + from / blockSize, bytes.subarray(from))
      if (block < 0) return
      wrong.set(block)
      from = (block + 1 - start) * blockSize
    }
  }
}
