import type { Bitfield } from '../bitfield/bitfield.ts'
import type { CheckpointOptions } from '../migration/journal/journal.ts'
import type { Ownership } from '../migration/journal/ownership.ts'
import type { BlockDigests } from '../storage/block-digests.ts'
import type { DiskJournal } from './disk-journal.ts'

/**
 * The journal of a disk that moves with others. The group's record has decided before a disk's own says `released`: should that not be stored now, the
 * disk is given away all the same, and the next change or the next opening of the group stores it.
 */
export class MemberJournal implements DiskJournal {
  readonly #inner: DiskJournal
  #ahead: Ownership | undefined

  constructor(inner: DiskJournal) {
    this.#inner = inner
  }

  get ownership(): Ownership | undefined {
    return this.#ahead ?? this.#inner.ownership
  }

  get digests(): BlockDigests {
    return this.#inner.digests
  }

  get unproven(): Bitfield {
    return this.#inner.unproven
  }

  async become(next: Ownership): Promise<void> {
    try {
      await this.#inner.become(next)
      this.#ahead = undefined
    } catch (error) {
      if (next.state !== 'released') throw error
      this.#ahead = next
    }
  }

  async checkpoint(options: CheckpointOptions = {}): Promise<void> {
    await this.#inner.checkpoint(options)
    if (options.ownership) this.#ahead = undefined
  }

  forget(start: number, count: number): Promise<void> {
    return this.#inner.forget(start, count)
  }

  forgetBlocks(blocks: Bitfield): Promise<void> {
    return this.#inner.forgetBlocks(blocks)
  }
}
