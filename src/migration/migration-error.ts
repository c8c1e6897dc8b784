import { errorMessage, StorageError } from '../errors/storage-error.ts'

/** Neighbouring blocks that could not be moved. */
export interface BlockFailure {
  readonly start: number
  readonly count: number
  /** The error of the last attempt. */
  readonly error: unknown
}

/** A migration that did not move every block. Code `MIGRATION_FAILED`; the first failure is the cause. */
export class MigrationError extends StorageError {
  /** At most `FAILURES_KEPT` failures, in the order they came. */
  readonly failures: readonly BlockFailure[]
  /** All blocks that failed. */
  readonly failedBlocks: number

  constructor(failures: readonly BlockFailure[], failedBlocks: number) {
    const first = failures[0]!
    super(
      'MIGRATION_FAILED',
      `${failedBlocks} ${failedBlocks === 1 ? 'block' : 'blocks'} could not be moved; first block ${first.start}: ${errorMessage(first.error)}`,
      { cause: first.error, context: { failedBlocks, firstBlock: first.start } },
    )
    this.failures = failures
    this.failedBlocks = failedBlocks
  }
}
