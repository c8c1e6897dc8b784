import type { DiskJournal } from '../../devices/disk-journal.ts'
import type { OfferedDisk } from '../../devices/offered-disk.ts'
import type { ReceivedDisk } from '../../devices/receive-disk.ts'
import { type ReceivedGroup, receiveGroup } from '../../devices/receive-group.ts'
import { errorCode, StorageError } from '../../errors/storage-error.ts'
import type { Connection } from '../../protocol/connection.ts'
import { MemoryStorage } from '../../sources/memory.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import { awaitMachine } from './agreement-messages.ts'
import { checkAlike, checkStateSize, checkVersion, describe, type MachineDescription } from './description.ts'
import { GuestHold } from './guest-hold.ts'
import { LARGEST_DISK_BYTES, LARGEST_MEMORY_BYTES } from './limits.ts'
import { guestMemory, type V86Cpu, type V86Machine, whenLoaded } from './machine.ts'
import { decodeWord, encodeWord, MACHINE_PARTS } from './machine-parts.ts'
import { restoreWithoutMemory, saveWithoutMemory, takeApart } from './saved-state.ts'
import { pickUp } from './state-image.ts'
import { V86Disk, type V86DiskOptions } from './v86-disk.ts'
import { V86Memory } from './v86-memory.ts'

/** What a machine must be made with. */
export interface MachineOffer {
  /** Its disk, still empty: `hda: disk.image`. */
  readonly disk: V86Disk
  /** `memory_size`. Said by a stranger: refuse what is too much. */
  readonly memoryBytes: number
  /** `vga_memory_size`. */
  readonly vgaMemoryBytes: number
}

/** Where a machine arrives. */
export interface ArriveOptions {
  /** Of dialect `blockferry/1`; stays open. */
  connection: Connection
  /** As that of `teleport`. */
  version: string
  /** Makes the emulator, with the same devices as at the source and `autostart: false`; kernel and start files are not needed. What it throws refuses the machine. */
  machine: (offer: MachineOffer) => V86Machine | Promise<V86Machine>
  /** Makes the place of the disk, of exactly its size and reading as zero; what it throws refuses the machine. */
  place: (offer: OfferedDisk) => StorageProvider | Promise<StorageProvider>
  /** Opens the journal beside the disk's place. Default: what is known is kept in memory. */
  diskJournal?: (offer: OfferedDisk) => DiskJournal | Promise<DiskJournal>
  /** How the disk is kept afterwards. */
  diskOptions?: V86DiskOptions
  /** A machine with a larger disk is refused. Default: `LARGEST_DISK_BYTES`. */
  largestDiskBytes?: number
  /** A machine with more memory, that of its screen included, is refused. Default: `LARGEST_MEMORY_BYTES`. */
  largestMemoryBytes?: number
  /** How long to wait for {@link Arrival.attach} after the link was lost. Default: 0. */
  reconnectMs?: number
}

/** A machine on its way here. */
export interface Arrival {
  readonly emulator: V86Machine
  readonly disk: V86Disk
  /** Disk, memory and state, and how far each is. */
  readonly parts: readonly ReceivedDisk[]
  /**
   * Resolves when the machine is this side's and its guest goes on, unless its user had stopped it. Rejects when the peer was lost before: the guest goes on
   * there. With `IN_DOUBT` only the peer can tell, and the machine waits for {@link attach}, after which a new promise stands here.
   */
  readonly running: Promise<void>
  /** Goes on over another connection, over which the peer tells again, after one was lost. @throws StorageError `NOT_OWNER` for a machine that did not come, `PEER_LOST` */
  attach(connection: Connection): Promise<void>
  /**
   * Runs the guest here without the last word of a source that is gone for good, which its journals record: while it is in doubt whose it is. Should it run there
   * too, there are two from now on, and their disks stop being written when the two sides meet. {@link running} resolves then.
   * @throws StorageError `NOT_OWNER` for a machine that runs here already or did not come, `VERIFY_FAILED` while parts of it are missing
   */
  takeOver(): Promise<void>
}

/**
 * Takes the machine that the peer teleports; resolves when both have agreed on it and its parts are on their way.
 * @throws StorageError `INCOMPATIBLE` for a machine that differs, what `machine` and `place` refuse with, `PEER_LOST`, `MALFORMED`, `LIMIT_EXCEEDED`; InvalidArgumentError
 */
export async function arrive(options: ArriveOptions): Promise<Arrival> {
  checkVersion(options.version)
  const { machine, receiving } = await awaitMachine(options.connection, async (theirs) => {
    const machine = await ArrivingMachine.make(options, theirs)
    // Listens from here on; the answer lets the parts come.
    const receiving = machine.receive(options)
    receiving.catch(() => machine.giveUp()) // Heard below too.
    return { machine, receiving }
  })
  const received = await receiving
  const [disk] = received.disks
  machine.disk.attach(disk!.disk)
  machine.takeUp(received)
  return {
    emulator: machine.emulator,
    disk: machine.disk,
    parts: received.disks,
    get running() {
      return machine.running
    },
    attach: async (connection) => {
      if (machine.gone) throw machine.gone
      await received.attach(connection)
      machine.takeUp(received)
    },
    takeOver: async () => {
      if (machine.gone) throw machine.gone
      await received.takeOver()
      machine.takeUp(received)
    },
  }
}

/** @throws StorageError `LIMIT_EXCEEDED` */
function checkSizes(
  { memoryBytes, vgaMemoryBytes, diskBytes }: MachineDescription,
  { largestDiskBytes = LARGEST_DISK_BYTES, largestMemoryBytes = LARGEST_MEMORY_BYTES }: ArriveOptions,
): void {
  const context = { memoryBytes, vgaMemoryBytes, diskBytes }
  if (memoryBytes + vgaMemoryBytes > largestMemoryBytes || diskBytes > largestDiskBytes) {
    throw new StorageError('LIMIT_EXCEEDED', 'The machine is larger than is taken here.', { context })
  }
}

/** A machine that does not run yet, and what becomes its memory and state. */
class ArrivingMachine {
  readonly emulator: V86Machine
  readonly disk: V86Disk
  readonly #cpu: V86Cpu
  /** Until it is this side's. */
  readonly #hold: GuestHold
  /** Set when it does not come. */
  gone: StorageError | undefined
  /** Resolves when the guest runs. */
  running!: Promise<void>
  /** Whose the machine is: not asked yet, asked, not to be told before another connection, told. */
  #state: 'coming' | 'awaited' | 'in doubt' | 'over' = 'coming'
  #devices: MemoryStorage | undefined
  #isRestored = false

  private constructor(emulator: V86Machine, cpu: V86Cpu, disk: V86Disk, hold: GuestHold) {
    this.emulator = emulator
    this.#cpu = cpu
    this.disk = disk
    this.#hold = hold
  }

  /** @throws StorageError `INCOMPATIBLE` */
  static async make(options: ArriveOptions, theirs: MachineDescription): Promise<ArrivingMachine> {
    const { version, machine, diskOptions } = options
    const { memoryBytes, vgaMemoryBytes, diskBytes } = theirs
    // Before anything is built.
    checkSizes(theirs, options)
    if (theirs.version !== version) checkAlike({ ...theirs, version }, theirs)
    const disk = new V86Disk({ size: diskBytes }, diskOptions)
    const emulator = await machine({ disk, memoryBytes, vgaMemoryBytes })
    const cpu = await whenLoaded(emulator)
    if (emulator.is_running())
      throw new StorageError('NOT_OWNER', 'The machine that is to take the guest up runs already.')
    const saved = takeApart(await saveWithoutMemory(emulator, cpu))
    checkAlike(describe(cpu, saved, { version, diskBytes }), theirs)
    return new ArrivingMachine(emulator, cpu, disk, await GuestHold.take(emulator))
  }

  receive({ connection, place, diskJournal, reconnectMs = 0 }: ArriveOptions): Promise<ReceivedGroup> {
    return receiveGroup({
      connection,
      reconnectMs,
      create: (offer, index) => {
        if (index > 0 || offer.name !== 'disk') return this.#place(offer, index)
        if (offer.size === this.disk.byteLength) return place(offer)
        throw new StorageError('SIZE_MISMATCH', 'The peer sends another disk than it offered.')
      },
      journal: (offer, index) => (index === 0 ? diskJournal?.(offer) : undefined),
      messageHandler: async (message) => {
        const word = decodeWord(message)
        if (word !== 'restore' && word !== 'restore running') throw new StorageError('NOT_SUPPORTED')
        if (this.#state === 'over') throw new StorageError('MALFORMED', 'The machine runs already, or never will.')
        if (word === 'restore running') this.#hold.runs = true
        await this.#restore()
      },
    })
  }

  /** Runs the guest once it is this side's; again after it was in doubt whether it is. */
  takeUp(received: ReceivedGroup): void {
    if (this.#state === 'awaited' || this.#state === 'over') return
    this.#state = 'awaited'
    this.running = this.#takeUp(received)
    this.running.catch(() => {}) // Heard by whoever waits for it.
  }

  async #takeUp(received: ReceivedGroup): Promise<void> {
    try {
      await received.handedOver
      if (!this.#isRestored) await this.#restore()
    } catch (error) {
      if (errorCode(error) === 'IN_DOUBT') this.#state = 'in doubt'
      else this.giveUp()
      throw error
    }
    this.#state = 'over'
    await this.#hold.release()
    if (!this.#hold.runs) return
    // Whoever hears it measures the pause with it; nothing depends on it.
    received.sendMessage(encodeWord('runs')).catch(() => {})
  }

  /** The machine does not come. */
  giveUp(): void {
    this.#state = 'over'
    this.gone = new StorageError('NOT_OWNER', 'This machine did not come; it runs where it was.')
    this.#hold.retire(this.gone)
  }

  #place(offer: OfferedDisk, index: number): StorageProvider {
    if (offer.name !== MACHINE_PARTS[index]) throw new StorageError('MALFORMED', 'The peer sends parts of no machine.')
    if (offer.name === 'memory') {
      // What the emulator has loaded into it by itself is not the guest's.
      guestMemory(this.#cpu).fill(0)
      return new V86Memory(this.#cpu, () => this.emulator.is_running())
    }
    checkStateSize(offer.size)
    this.#devices = new MemoryStorage(offer.size)
    return this.#devices
  }

  /** All parts are here, and equal to those of the source, which waits for this before it gives the machine away. */
  async #restore(): Promise<void> {
    if (!this.#devices) throw new StorageError('MALFORMED', 'The peer restores a machine whose state it has not sent.')
    const image = new Uint8Array(this.#devices.size)
    this.#devices.readAtSync(image, 0)
    await restoreWithoutMemory(this.emulator, this.#cpu, pickUp(image))
    this.#isRestored = true
  }
}
