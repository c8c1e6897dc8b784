import type { OfferedDisk } from '../devices/receive-disk.ts'
import { combineErrors } from '../errors/storage-error.ts'
import type { Journal } from '../migration/journal/journal.ts'
import type { StorageProvider } from '../storage/provider.ts'
import type { DestinationPlan } from './destination-plan.ts'
import type { DiskAddress } from './disk-address.ts'
import { JournalBeside } from './journal-beside.ts'
import { openDestination } from './open-disk.ts'

/** Where a disk arrives: the file, and the journal beside it where there can be one. */
export class ArrivingPlace {
  readonly #to: DiskAddress
  readonly #plan: DestinationPlan
  readonly #isJournaled: boolean
  #disk: StorageProvider | undefined
  #beside: JournalBeside | undefined

  constructor(to: DiskAddress, plan: DestinationPlan, isJournaled: boolean) {
    this.#to = to
    this.#plan = plan
    this.#isJournaled = isJournaled && to.kind === 'file'
  }

  get disk(): StorageProvider | undefined {
    return this.#disk
  }

  get journal(): Journal | undefined {
    return this.#beside?.journal
  }

  /** Whether what is there has to be hashed to be kept. */
  get isOlderCopy(): boolean {
    return this.#plan.kind === 'older' || this.#beside?.wasTouched === true
  }

  /** Opens or makes the disk. The journal comes first: a disk without one would look as if it were whole. */
  async open({ size, blockSize }: OfferedDisk): Promise<StorageProvider> {
    if (this.#to.kind === 'file' && this.#isJournaled) {
      this.#beside ??= await JournalBeside.open(this.#to.path, { size, blockSize })
    }
    const { kind, mayOverwrite } = this.#plan
    const { disk } = await openDestination(this.#to, size, { keep: kind !== 'anew', force: mayOverwrite })
    this.#disk = disk
    return disk
  }

  async meets(peer: string): Promise<void> {
    await this.#beside?.meets(peer)
  }

  /** Makes durable what is here and what is known of it, and closes both. */
  async close(): Promise<void> {
    let failure: unknown
    const { disk } = this
    const steps = [
      () => (disk ? this.journal?.checkpoint({ flush: () => disk.flush() }) : undefined),
      () => disk?.close(),
      () => (disk ? this.#beside?.close() : this.#beside?.journal.close()),
    ]
    for (const step of steps) {
      await step()?.catch((error: unknown) => {
        failure = combineErrors(failure, error)
      })
    }
    if (failure !== undefined) throw failure
  }
}
