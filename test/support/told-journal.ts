import { MemoryJournal } from '../../src/devices/disk-journal.ts'
import type { Ownership, OwnershipState } from '../../src/migration/journal/ownership.ts'
import { BlockDigests } from '../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'

type Tell = (state: OwnershipState) => Promise<void> | void

/** A journal that tells of each change of hands before it keeps it; what the listener throws is that it could not be stored. */
export class ToldJournal extends MemoryJournal {
  readonly #tell: Tell

  private constructor(digests: BlockDigests, tell: Tell) {
    super(digests)
    this.#tell = tell
  }

  static async of({ size, blockSize }: { size: number; blockSize: number }, tell: Tell): Promise<ToldJournal> {
    return new ToldJournal(new BlockDigests(size, blockSize, await createBlockHasher()), tell)
  }

  override async become(next: Ownership): Promise<void> {
    if (next.state !== this.ownership?.state) await this.#tell(next.state)
    await super.become(next)
  }
}
