/**
 * What we use of the emulator, as the npm build of v86 has it (looked at: 0.5.462). Nothing is imported from it: the caller hands the emulator in. Its
 * names survive only in that build; the one of its own page has others.
 */
export interface V86Machine {
  run(): Promise<void>
  stop(): Promise<void>
  is_running(): boolean
  save_state(): Promise<ArrayBuffer>
  restore_state(state: ArrayBuffer): Promise<void>
  add_listener(event: 'emulator-loaded' | 'emulator-stopped', listener: () => void): void
  remove_listener(event: 'emulator-loaded' | 'emulator-stopped', listener: () => void): void
  /** Absent until the emulator's own WebAssembly has been loaded. */
  readonly v86?: { readonly cpu: V86Cpu; readonly stopping?: boolean }
}

/** The parts of the processor that hold the memory. */
export interface V86Cpu {
  /** Takes views of the memory as it is now, one with each access. */
  readonly mem8?: Uint8Array
  readonly memory_size: Int32Array
  readonly wasm_memory: WebAssembly.Memory
  readonly devices: {
    readonly vga?: { readonly vga_memory_size: number }
    readonly rtc?: unknown
    readonly ide?: { readonly primary?: V86Channel; readonly secondary?: V86Channel }
  }
  /** Packs what is not zero for a saved state; replaced while the memory is to be left out. */
  pack_memory(): { packed_memory: Uint8Array; bitmap: { get_buffer(): ArrayBuffer } }
  /** Puts that back. */
  unpack_memory(bitmap: unknown, packed: Uint8Array): void
}

/** Two drives; an empty place has no buffer. */
interface V86Channel {
  readonly master: { readonly buffer?: unknown; readonly is_atapi?: boolean }
  readonly slave: { readonly buffer?: unknown; readonly is_atapi?: boolean }
}

/** Every hard disk of the machine, as it was handed to the emulator. */
export function hardDisks({ devices }: V86Cpu): readonly unknown[] {
  const channels = [devices.ide?.primary, devices.ide?.secondary]
  const drives = channels.flatMap((channel) => (channel ? [channel.master, channel.slave] : []))
  return drives.flatMap(({ buffer, is_atapi }) => (buffer && !is_atapi ? [buffer] : []))
}

/** Resolves when the emulator is ready to run. */
export async function whenLoaded(machine: V86Machine): Promise<V86Cpu> {
  // The devices are made last, at once with the memory.
  const ready = () => (machine.v86?.cpu.devices.rtc && machine.v86.cpu.mem8 ? machine.v86.cpu : undefined)
  while (!ready()) {
    await new Promise<void>((resolve) => {
      const listener = () => {
        machine.remove_listener('emulator-loaded', listener)
        resolve()
      }
      machine.add_listener('emulator-loaded', listener)
    })
  }
  return ready()!
}

/** Whether the guest runs and nobody has told it to stop, which takes a turn of the emulator. */
export function isToRun(machine: V86Machine): boolean {
  return machine.is_running() && machine.v86?.stopping !== true
}

/** The guest's memory as it lies now; the view is void once the emulator's memory grows. */
export function guestMemory({ wasm_memory, mem8, memory_size }: V86Cpu): Uint8Array {
  return new Uint8Array(wasm_memory.buffer, mem8!.byteOffset, memory_size[0])
}
