import type { V86Cpu } from '../../../src/adapters/v86/machine.ts'

/** As much of a processor as holds memory; what lies before and behind the guest's is the emulator's own. */
export function fakeCpu(pages: number): { cpu: V86Cpu; memory: () => Uint8Array; grow: () => void } {
  const wasm_memory = new WebAssembly.Memory({ initial: 1 + Math.ceil((pages * 4096) / 65536) })
  const start = 16_384
  const view = () => new Uint8Array(wasm_memory.buffer, start, pages * 4096)
  const cpu = {
    get mem8() {
      return view()
    },
    memory_size: Int32Array.of(pages * 4096),
    wasm_memory,
    devices: { rtc: {}, vga: { vga_memory_size: 0 } },
    pack_memory: () => ({ packed_memory: new Uint8Array(0), bitmap: { get_buffer: () => new ArrayBuffer(0) } }),
    unpack_memory: () => {},
  }
  return { cpu, memory: view, grow: () => void wasm_memory.grow(1) }
}
