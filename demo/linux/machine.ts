import type { V86 } from 'v86'
import wasmUrl from 'v86/build/v86.wasm?url'
import { errorCode } from '../../src/errors/storage-error.ts'
import { IndexedDbStorage } from '../../src/sources/indexeddb.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { OpfsStorage } from '../../src/sources/opfs.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import type { V86Disk } from '../../src/v86.ts'
import type { GuestFiles } from './guest-files.ts'

/** What two pages must agree on before a machine moves: another version of the emulator has other states. */
export const MACHINE_VERSION = 'blockferry demo 1, v86 0.5.462'

/** Bytes of memory; the first files of the guest alone need 64 MiB. */
export const MEMORY_BYTES = 128 * 2 ** 20

/** Bytes of the screen's memory: enough for text and small pictures, and the less there is the less moves. */
export const VGA_MEMORY_BYTES = 2 * 2 ** 20

/** The name of the disk in this browser. */
const DISK_NAME = 'blockferry-linux'

/** Bytes read from an image at a time. */
const CHUNK_BYTES = 2 ** 20

/** How a machine is made. */
export interface MachineOptions {
  readonly disk: V86Disk
  readonly screen: HTMLElement
  /** Absent where a machine arrives, or where a state is put back: what they held is in memory then. */
  readonly files?: GuestFiles
  readonly memoryBytes?: number
  readonly vgaMemoryBytes?: number
  /** Whether it runs at once. */
  readonly isStarted: boolean
}

/** Makes a machine. The emulator is loaded for those who want one. */
export async function makeMachine(options: MachineOptions): Promise<V86> {
  const { V86 } = await import('v86')
  const { disk, screen, files, memoryBytes = MEMORY_BYTES, vgaMemoryBytes = VGA_MEMORY_BYTES, isStarted } = options
  const kernel = files?.kernel
  return new V86({
    wasm_path: wasmUrl,
    memory_size: memoryBytes,
    vga_memory_size: vgaMemoryBytes,
    screen_container: screen,
    disable_speaker: true,
    disable_mouse: true,
    hda: disk.image,
    ...(files ? { bios: { buffer: files.bios }, vga_bios: { buffer: files.vgaBios } } : {}),
    ...(kernel ? { bzimage: { buffer: kernel.image }, initrd: { buffer: kernel.initrd }, cmdline: kernel.words } : {}),
    autostart: isStarted,
  })
}

/** Where the disk of a machine lies: the best storage this page can have, and what it is called. */
export interface DiskPlace {
  readonly provider: StorageProvider
  readonly name: string
}

/** Best first. A page that came over plain HTTP from another machine has no OPFS. */
const PLACES = [
  { name: 'OPFS', store: OpfsStorage, isThere: () => navigator.storage?.getDirectory !== undefined },
  { name: 'IndexedDB', store: IndexedDbStorage, isThere: () => globalThis.indexedDB !== undefined },
]

/** Makes a fresh disk, all zeroes, in place of what an earlier machine left; not of one that runs in another tab of this browser, perhaps on its way here. */
export async function makePlace(size: number): Promise<DiskPlace> {
  for (const { name, store, isThere } of PLACES) {
    if (!isThere()) continue
    try {
      await store.delete(DISK_NAME)
      return { provider: await store.open(DISK_NAME, { size }), name }
    } catch (error) {
      if (errorCode(error) !== 'LOCKED') throw error
    }
  }
  return { provider: new MemoryStorage(size), name: 'memory' }
}

/** Writes an image to a fresh disk. Zeroes are there already. */
export async function fillDisk(disk: StorageProvider, image: Blob): Promise<void> {
  for (let offset = 0; offset < image.size; offset += CHUNK_BYTES) {
    const bytes = new Uint8Array(await image.slice(offset, offset + CHUNK_BYTES).arrayBuffer())
    if (bytes.some((byte) => byte !== 0)) await disk.writeAt(bytes, offset)
  }
  await disk.flush()
}

/** All of a disk, as it is now. */
export async function imageOf(disk: StorageProvider): Promise<Blob> {
  const parts: Uint8Array<ArrayBuffer>[] = []
  for (let offset = 0; offset < disk.size; offset += CHUNK_BYTES) {
    const bytes = new Uint8Array(Math.min(CHUNK_BYTES, disk.size - offset))
    await disk.readAt(bytes, offset)
    parts.push(bytes)
  }
  return new Blob(parts)
}
