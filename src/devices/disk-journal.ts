import { Bitfield } from '../bitfield/bitfield.ts'
import type { CheckpointOptions, Journal } from '../migration/journal/journal.ts'
import { type Ownership, settle } from '../migration/journal/ownership.ts'
import type { BlockDigests } from '../storage/block-digests.ts'

/** What one side of a migration remembers: whose disk it is, and what is known of its blocks. A `Journal` is one. */
export type DiskJournal = Pick<
  Journal,
  'ownership' | 'digests' | 'unproven' | 'become' | 'checkpoint' | 'forget' | 'forgetBlocks'
> &
  Partial<Pick<Journal, 'strike' | 'isForgetting'>>

/** Remembers as long as the process lives. */
export class MemoryJournal implements DiskJournal {
  readonly digests: BlockDigests
  readonly unproven: Bitfield
  #ownership: Ownership | undefined

  /** `digests`: of what the disk holds now. */
  constructor(digests: BlockDigests) {
    this.digests = digests
    this.unproven = new Bitfield(digests.blockCount)
  }

  get ownership(): Ownership | undefined {
    return this.#ownership
  }

  async become(next: Ownership): Promise<void> {
    this.#ownership = next
  }

  async checkpoint({ flush, ownership }: CheckpointOptions = {}): Promise<void> {
    await flush?.()
    if (ownership) await this.become(ownership)
  }

  async forget(start: number, count: number): Promise<void> {
    this.digests.forget(start, count)
  }

  async forgetBlocks(blocks: Bitfield): Promise<void> {
    blocks.forEachRun((start, count) => this.digests.forget(start, count))
  }
}

/** A disk whose last block had just come when the process before this one ended: what was written to it since the hand-over nobody knows any more. */
export async function finishSettling(journal: DiskJournal): Promise<void> {
  const { ownership, digests } = journal
  if (!ownership?.settling) return
  await journal.forget(0, digests.blockCount)
  await journal.become(settle(ownership))
}

/** The bytes of an id, a key or a root as a record keeps it. */
export function idBytes(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, index) =>
    Number.parseInt(text.slice(2 * index, 2 * index + 2), 16),
  )
}
