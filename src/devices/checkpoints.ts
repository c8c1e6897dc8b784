import type { DiskJournal } from './disk-journal.ts'
import { CHECKPOINT_BYTES, FLUSHED_BYTES } from './limits.ts'

/**
 * Tells a journal now and then what has become known, beside the work that makes it known. One at a time; nobody waits for it. A failure is thrown
 * at the next step.
 */
export class Checkpoints {
  readonly #journal: Pick<DiskJournal, 'checkpoint'>
  readonly #flush: (() => Promise<void>) | undefined
  #bytes = 0
  #unflushed = 0
  #isRunning = false
  #failure: { readonly error: unknown } | undefined

  /** `flush`: of the disk, where this side writes it. */
  constructor(journal: Pick<DiskJournal, 'checkpoint'>, flush?: () => Promise<void>) {
    this.#journal = journal
    this.#flush = flush
  }

  /** These bytes are known now. @throws what the last checkpoint failed with */
  passed(bytes: number): void {
    if (this.#failure) {
      const { error } = this.#failure
      this.#failure = undefined
      throw error
    }
    this.#bytes += bytes
    this.#unflushed += bytes
    if (this.#bytes >= CHECKPOINT_BYTES && !this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    const flush = this.#flush !== undefined && this.#unflushed >= FLUSHED_BYTES ? this.#flush : undefined
    this.#bytes = 0
    if (flush) this.#unflushed = 0
    try {
      await this.#journal.checkpoint(flush ? { flush } : {})
    } catch (error) {
      this.#failure = { error }
    } finally {
      this.#isRunning = false
    }
  }
}
