import { ArrivingDisk } from '../../src/devices/arriving-disk.ts'
import { type DiskJournal, MemoryJournal } from '../../src/devices/disk-journal.ts'
import { SendingDisk } from '../../src/devices/sending-disk.ts'
import { type Journal, journalBytes, openJournal } from '../../src/migration/journal/journal.ts'
import { createWriteIntents } from '../../src/migration/journal/write-intents.ts'
import { createDirtyTracker, type DirtyTracker } from '../../src/modules/dirty-tracker.ts'
import type { Lockable } from '../../src/modules/lockable.ts'
import { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import { BlockDigests } from '../../src/storage/block-digests.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import type { Geometry } from './application.ts'
import type { HardwareDisk } from './hardware-disk.ts'
import type { Machine } from './machine.ts'
import { checkToldDigests } from './told-digests.ts'

/** What of one side survives its processes: the disk, the journal beside it where there is one, and the count of power cuts. */
export interface Hardware {
  readonly disk: HardwareDisk
  readonly place: HardwareDisk | undefined
  boots: number
}

/** Bytes beside a disk that its journal wants. */
export function placeBytes({ size, blockSize }: Geometry): number {
  return journalBytes(size, blockSize)
}

async function openPlace(
  { disk, place, boots }: Hardware,
  machine: Machine,
  { size, blockSize }: Geometry,
): Promise<Journal> {
  const hasher = await createBlockHasher()
  const journal = await openJournal(place!.open(machine), { size, blockSize, hasher, bootId: `boot ${boots}` })
  try {
    if (machine.alive) checkToldDigests(journal, disk)
  } catch (error) {
    // Whoever opens it would take that for a failure of the storage.
    machine.scheduler.report(error)
  }
  return journal
}

/** One process at the source, from its start to its end: a disk that is tracked and can be sent. */
export class SourceProcess {
  readonly machine: Machine
  readonly tracker: DirtyTracker
  readonly sending: SendingDisk
  readonly order: VolatilityMonitor | undefined
  readonly journal: DiskJournal | undefined

  private constructor(parts: {
    machine: Machine
    tracker: DirtyTracker
    sending: SendingDisk
    order: VolatilityMonitor | undefined
    journal: DiskJournal | undefined
  }) {
    this.machine = parts.machine
    this.tracker = parts.tracker
    this.sending = parts.sending
    this.order = parts.order
    this.journal = parts.journal
  }

  static async start(
    machine: Machine,
    hardware: Hardware,
    { geometry, volatile }: { geometry: Geometry; volatile: boolean },
  ): Promise<SourceProcess> {
    const { blockSize } = geometry
    const storage = hardware.disk.open(machine)
    const journal = hardware.place ? await openPlace(hardware, machine, geometry) : undefined
    const tracker = createDirtyTracker(storage, blockSize, journal && createWriteIntents(journal))
    const order = volatile ? new VolatilityMonitor(tracker.local, blockSize, { clock: machine }) : undefined
    const sending = await SendingDisk.open({ source: tracker.remote, ...(journal ? { journal } : {}) })
    return new SourceProcess({ machine, tracker, sending, order, journal })
  }

  /** The application's face. */
  get disk(): StorageProvider {
    return this.order ?? this.tracker.local
  }

  get canWrite(): boolean {
    return this.machine.alive && this.tracker.local.state === 'open'
  }
}

/** One process at the destination: a disk on its way here, over one connection after another, or here for good. */
export class DestinationProcess {
  readonly machine: Machine
  readonly arriving: ArrivingDisk
  readonly #hardware: Hardware
  readonly #geometry: Geometry

  constructor(
    machine: Machine,
    hardware: Hardware,
    options: { geometry: Geometry; reconnectMs: number; olderCopy: boolean },
  ) {
    const { geometry, reconnectMs, olderCopy } = options
    this.machine = machine
    this.#hardware = hardware
    this.#geometry = geometry
    this.arriving = new ArrivingDisk({
      create: () => hardware.disk.open(machine),
      openJournal: () => this.#openJournal(),
      reconnectMs,
      olderCopy,
    })
  }

  async #openJournal(): Promise<DiskJournal> {
    if (this.#hardware.place) return openPlace(this.#hardware, this.machine, this.#geometry)
    const { size, blockSize } = this.#geometry
    return new MemoryJournal(new BlockDigests(size, blockSize, await createBlockHasher()))
  }

  get canWrite(): boolean {
    // Not there before the disk has been announced.
    const gate: Lockable | undefined = this.arriving.disk
    return this.machine.alive && gate?.state === 'open'
  }
}
