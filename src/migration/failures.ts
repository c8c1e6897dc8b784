import { Bitfield } from '../bitfield/bitfield.ts'
import { type ErrorCode, errorCode } from '../errors/storage-error.ts'
import { FAILURES_KEPT, RETRIES } from './limits.ts'
import { type BlockFailure, MigrationError } from './migration-error.ts'

/** Failures of the whole storage: no other block and no other attempt would fare better. */
const LASTING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ABORTED',
  'BUSY',
  'CLOSED',
  'CONNECTION_LOST',
  'INVALID_ARGUMENT',
  'LOCKED',
  'NOT_SUPPORTED',
  'OUT_OF_MEMORY',
  'QUOTA_EXCEEDED',
])

/** Whether an error would meet every other block and attempt as well. */
export function isLasting(error: unknown): boolean {
  const code = errorCode(error)
  return code !== undefined && LASTING.has(code)
}

/** Blocks that could not be moved, and how many attempts are left for all of them. A block stored later has not failed. */
export class Failures {
  readonly #numBlocks: number
  #blocks: Bitfield | undefined
  #failedBlocks = 0
  #kept: BlockFailure[] = []
  #lastError: unknown
  #retriesLeft = RETRIES

  constructor(numBlocks: number) {
    this.#numBlocks = numBlocks
  }

  get failedBlocks(): number {
    return this.#failedBlocks
  }

  /** Uses up one retry; false when none is left. */
  takeRetry(): boolean {
    if (this.#retriesLeft === 0) return false
    this.#retriesLeft--
    return true
  }

  add(block: number, error: unknown): void {
    this.#blocks ??= new Bitfield(this.#numBlocks)
    if (!this.#blocks.set(block)) return
    this.#failedBlocks++
    this.#lastError = error
    const last = this.#kept.at(-1)
    if (last && last.start + last.count === block && last.error === error) {
      this.#kept[this.#kept.length - 1] = { ...last, count: last.count + 1 }
    } else if (this.#kept.length < FAILURES_KEPT) this.#kept.push({ start: block, count: 1, error })
  }

  /** Neighbouring blocks reached the destination after all. */
  stored(start: number, count: number): void {
    if (this.#failedBlocks === 0) return
    for (let block = start; block < start + count; block++) if (this.#blocks!.clear(block)) this.#failedBlocks--
  }

  /** Gives every failed block to `visit` and forgets them: they get another chance. */
  takeAll(visit: (block: number) => void): void {
    this.#retriesLeft = RETRIES
    this.#kept = []
    if (this.#failedBlocks === 0) return
    this.#failedBlocks = 0
    this.#blocks!.forEachRun((start, count) => {
      for (let block = start; block < start + count; block++) visit(block)
    })
    this.#blocks!.clearAll()
  }

  /** What there is to report: an error when a block has failed and was not stored since. */
  error(): MigrationError | undefined {
    if (this.#failedBlocks === 0) return undefined
    const failures = this.#kept.flatMap((failure) => this.#stillFailed(failure))
    // Those that were kept have all been stored since; others, only counted, have not.
    if (failures.length === 0) failures.push({ start: this.#blocks!.nextSet(0), count: 1, error: this.#lastError })
    return new MigrationError(failures, this.#failedBlocks)
  }

  /** The parts of a failure that were not stored since. */
  #stillFailed({ start, count, error }: BlockFailure): BlockFailure[] {
    const parts: BlockFailure[] = []
    for (let from = start; from < start + count; ) {
      const end = this.#blocks!.nextClear(from, start + count)
      if (end > from) parts.push({ start: from, count: end - from, error })
      from = end + 1
    }
    return parts
  }
}
