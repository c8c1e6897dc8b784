import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { V86 } from 'v86'
import { type Arrival, type ArriveOptions, arrive, type MachineOffer } from '../../../src/adapters/v86/arrive.ts'
import { type Teleported, type TeleportOptions, teleport } from '../../../src/adapters/v86/teleport.ts'
import { V86Disk } from '../../../src/adapters/v86/v86-disk.ts'
import { type Connection, openConnection } from '../../../src/protocol/connection.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { memoryChannels } from '../../../src/transports/memory.ts'
import { BARE_MEMORY_BYTES, bareMachine } from './bare-machine.ts'

const wasmPath = join(dirname(createRequire(import.meta.url).resolve('v86')), 'v86.wasm')
export const DISK_BYTES = 2 ** 20
const SIZES = { memory_size: BARE_MEMORY_BYTES, vga_memory_size: 2 ** 18 }

/** Both applications call it so. */
export const VERSION = 'counting'

/** A machine that counts, and what it has said. */
export class CountingMachine {
  readonly emulator: V86
  readonly disk: V86Disk
  readonly said: number[] = []

  constructor(disk: V86Disk, options: { memory_size?: number; vga_memory_size?: number; autostart?: boolean } = {}) {
    this.disk = disk
    this.emulator = bareMachine(wasmPath, disk.image, { ...SIZES, autostart: true, ...options })
    this.emulator.add_listener('serial0-output-byte', (byte) => this.said.push(byte))
  }

  /** Resolves when it has said so many numbers more. */
  async says(count: number): Promise<void> {
    for (const before = this.said.length; this.said.length < before + count; )
      await new Promise((resolve) => setTimeout(resolve, 5))
  }

  /** Whether it counts, seen for as long as one that runs says ten numbers. */
  async isCounting(other?: CountingMachine): Promise<boolean> {
    const before = this.said.length
    if (other) await other.says(10)
    else await new Promise((resolve) => setTimeout(resolve, 300))
    return this.said.length > before
  }
}

/** Machines and links of a test; all end with it. */
export class MachineRoom {
  readonly #machines: CountingMachine[] = []
  readonly #links: Connection[] = []

  /** One that counts already. */
  async start(storage: StorageProvider = new MemoryStorage(DISK_BYTES)): Promise<CountingMachine> {
    const machine = this.#add(new CountingMachine(new V86Disk(storage, { id: 'disk' })))
    await machine.says(5)
    return machine
  }

  async connect() {
    const { a, b, sever } = memoryChannels()
    const [near, far] = await Promise.all([
      openConnection([a], { role: 'dialer' }),
      openConnection([b], { role: 'listener' }),
    ])
    this.#links.push(near, far)
    return { near, far, sever }
  }

  /** One that takes another up. */
  empty({ disk, memoryBytes, vgaMemoryBytes }: MachineOffer): CountingMachine {
    const sizes = { memory_size: memoryBytes, vga_memory_size: vgaMemoryBytes }
    return this.#add(new CountingMachine(disk, { ...sizes, autostart: false }))
  }

  /** Begins to move a machine. */
  move(
    from: CountingMachine,
    { near, far }: { near: Connection; far: Connection },
    options: {
      near?: Partial<TeleportOptions>
      far?: Partial<ArriveOptions>
      onMade?: (machine: CountingMachine) => void
    } = {},
  ): Move {
    const move: Move = { guest: undefined } as never
    move.arrival = arrive({
      connection: far,
      version: VERSION,
      place: ({ size }) => new MemoryStorage(size),
      machine: (offer) => {
        move.guest = this.empty(offer)
        options.onMade?.(move.guest)
        return move.guest.emulator
      },
      ...options.far,
    })
    const { emulator, disk } = from
    move.teleported = teleport({ emulator, disk, connection: near, version: VERSION, ...options.near })
    for (const side of [move.arrival, move.teleported]) side.catch(() => {})
    return move
  }

  async end(): Promise<void> {
    for (const connection of this.#links.splice(0)) await connection.close()
    for (const { emulator } of this.#machines.splice(0)) await emulator.destroy()
  }

  #add(machine: CountingMachine): CountingMachine {
    this.#machines.push(machine)
    return machine
  }
}

/** A move under way. */
export interface Move {
  /** Where it arrives; undefined before it was made. */
  guest: CountingMachine | undefined
  teleported: Promise<Teleported>
  arrival: Promise<Arrival>
}

/** Whether numbers follow one another, as the guest counts them. */
export function isCount(said: readonly number[]): boolean {
  return said.every((number, index) => number === (said[0]! + index) % 256)
}
