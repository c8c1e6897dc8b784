import { V86 } from 'v86'

/** Memory that the program needs, and the least that the emulator gives. */
export const BARE_MEMORY_BYTES = 2 ** 22

/**
 * What a machine runs instead of a BIOS: it counts in memory, and says bits 16 to 23 of the count at the serial port each time they change. A guest that
 * needs no files, for machines on which none was built.
 *
 * ```
 *   0000  cli ; xor ax, ax ; mov ds, ax ; mov dx, 3f8
 *   0008  inc dword [500] ; mov al, [502] ; cmp al, [504] ; je 0008
 *   0016  mov [504], al ; out dx, al ; jmp 0008
 *   fff0  jmp f000:0000
 * ```
 */
function program(): ArrayBuffer {
  const code = new Uint8Array(2 ** 16)
  code.set([0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0xba, 0xf8, 0x03])
  code.set([0x66, 0xff, 0x06, 0x00, 0x05, 0xa0, 0x02, 0x05, 0x3a, 0x06, 0x04, 0x05, 0x74, 0xf2], 0x08)
  code.set([0xa2, 0x04, 0x05, 0xee, 0xeb, 0xec], 0x16)
  code.set([0xea, 0x00, 0x00, 0x00, 0xf0], 0xfff0)
  return code.buffer
}

/** Makes such a machine; `wasmPath`: of the emulator. */
export function bareMachine(
  wasmPath: string,
  hda: { buffer: ArrayBuffer },
  options: { memory_size: number; vga_memory_size: number; autostart: boolean },
): V86 {
  const quiet = { disable_keyboard: true, disable_mouse: true, disable_speaker: true }
  return new V86({ ...options, ...quiet, wasm_path: wasmPath, bios: { buffer: program() }, hda })
}
