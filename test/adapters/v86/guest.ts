import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { V86 } from 'v86'
import type { MachineOffer } from '../../../src/adapters/v86/arrive.ts'
import { saveMachine } from '../../../src/adapters/v86/save-machine.ts'
import { V86Disk } from '../../../src/adapters/v86/v86-disk.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'

/** Tests and benchmarks run in the folder of the project. */
const project = process.cwd()
const folder = process.env.BLOCKFERRY_GUEST ?? join(project, 'build/guest')
const emulatorFolder = dirname(createRequire(import.meta.url).resolve('v86'))

/** The files of the guest that `npm run guest` builds are there. */
export const hasGuest: boolean = existsSync(join(folder, 'vmlinuz'))

if (!hasGuest)
  console.warn(`\nNO GUEST: tests that run one are SKIPPED. Build it with: npm run guest (looked in ${folder})\n`)

export const MEMORY_BYTES = 128 * 2 ** 20
const VGA_MEMORY_BYTES = 2 ** 21

/** A machine whose serial port is heard. */
export class Guest {
  readonly emulator: V86
  readonly disk: V86Disk
  /** What it has printed. */
  output = ''

  constructor(emulator: V86, disk: V86Disk) {
    this.emulator = emulator
    this.disk = disk
    emulator.add_listener('serial0-output-byte', (byte) => {
      this.output += String.fromCharCode(byte)
    })
  }

  type(text: string): void {
    this.emulator.serial0_send(text)
  }

  /** Resolves with what was printed up to and including the first match from `from` on. */
  async printed(pattern: RegExp, from = 0, patienceMs = 60_000): Promise<string> {
    for (const startedAt = performance.now(); performance.now() - startedAt < patienceMs; ) {
      const match = pattern.exec(this.output.slice(from))
      if (match) return this.output.slice(from, from + match.index + match[0].length)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error(`the guest did not print ${pattern}, but: ${this.output.slice(from).slice(-500)}`)
  }

  /** Runs a command in the shell at the serial port; resolves with what it printed. */
  async run(command: string): Promise<string> {
    const from = this.output.length
    this.type(`${command}; echo "end"-of-command\n`)
    return (await this.printed(/end-of-command/, from)).replace('end-of-command', '').trim()
  }

  /** The numbers that the counting loop printed. */
  get numbers(): number[] {
    return [...this.output.matchAll(/n(\d+)\r/g)].map((match) => Number(match[1]))
  }

  destroy(): Promise<void> {
    return this.emulator.destroy()
  }
}

/** Prints an increasing number ten times a second, and appends it to a file with `sync`. */
export const COUNTING = 'i=0; while :; do i=$((i+1)); echo n$i; echo $i >> /mnt/numbers; sync; usleep 100000; done\n'

/** A guest that has been started, with a shell at its serial port and its disk mounted. */
export async function startGuest(): Promise<Guest> {
  const { state, disk, generation } = await snapshot()
  const storage = new MemoryStorage(disk.length)
  storage.writeAtSync(disk, 0)
  const kept = new V86Disk(storage, { id: 'guest', generation })
  const { buffer } = new Uint8Array(state)
  const options = { ...machineOptions(), memory_size: MEMORY_BYTES, hda: kept.image, initial_state: { buffer } }
  const guest = new Guest(new V86({ ...options, autostart: true }), kept)
  await new Promise<void>((resolve) => guest.emulator.add_listener('emulator-loaded', resolve))
  return guest
}

/** A machine that takes a guest up. */
export function emptyMachine({ disk, memoryBytes, vgaMemoryBytes }: MachineOffer): Guest {
  return new Guest(
    new V86({
      ...machineOptions(),
      memory_size: memoryBytes,
      vga_memory_size: vgaMemoryBytes,
      hda: disk.image,
      autostart: false,
    }),
    disk,
  )
}

interface Snapshot {
  readonly state: Uint8Array
  readonly disk: Uint8Array
  readonly generation: number
}

/** A guest that has started, in a file: 100 bytes that say `{ state, generation }`, so many bytes of state, its disk. Starting takes half a minute, so it is kept. */
export async function startedGuestPath(): Promise<string> {
  const hash = createHash('sha256')
  for (const name of ['bios.bin', 'vmlinuz', 'initrd.gz', 'disk.img']) hash.update(readFileSync(join(folder, name)))
  hash.update(readFileSync(join(emulatorFolder, 'v86.wasm')))
  const kept = join(project, 'build/guest-started')
  const path = join(kept, `${hash.digest('hex').slice(0, 16)}.bin`)
  if (!existsSync(path)) {
    const made = await boot()
    mkdirSync(kept, { recursive: true })
    const head = Buffer.from(JSON.stringify({ state: made.state.length, generation: made.generation }).padEnd(100))
    writeFileSync(`${path}.${process.pid}`, Buffer.concat([head, made.state, made.disk]))
    renameSync(`${path}.${process.pid}`, path)
  }
  return path
}

async function snapshot(): Promise<Snapshot> {
  const bytes = readFileSync(await startedGuestPath())
  const { state, generation } = JSON.parse(bytes.subarray(0, 100).toString())
  return { state: bytes.subarray(100, 100 + state), disk: bytes.subarray(100 + state), generation }
}

async function boot(): Promise<Snapshot> {
  const file = (name: string) => {
    const { buffer } = new Uint8Array(readFileSync(join(folder, name)))
    return { buffer }
  }
  const image = new Uint8Array(file('disk.img').buffer)
  const storage = new MemoryStorage(image.length)
  storage.writeAtSync(image, 0)
  const disk = new V86Disk(storage, { id: 'guest' })
  const guest = new Guest(
    new V86({
      ...machineOptions(),
      memory_size: MEMORY_BYTES,
      vga_bios: file('vgabios.bin'),
      bzimage: file('vmlinuz'),
      initrd: file('initrd.gz'),
      cmdline: 'console=ttyS0 quiet',
      hda: disk.image,
      autostart: true,
    }),
    disk,
  )
  await guest.printed(/READY/, 0, 300_000)
  await guest.run('cd /; true')
  const state = new Uint8Array(await saveMachine(guest.emulator, disk))
  const { generation } = disk
  await guest.destroy()
  const bytes = new Uint8Array(storage.size)
  storage.readAtSync(bytes, 0)
  return { state, disk: bytes, generation }
}

function machineOptions() {
  return {
    wasm_path: join(emulatorFolder, 'v86.wasm'),
    vga_memory_size: VGA_MEMORY_BYTES,
    bios: { buffer: new Uint8Array(readFileSync(join(folder, 'bios.bin'))).buffer },
    vga_bios: { buffer: new Uint8Array(readFileSync(join(folder, 'vgabios.bin'))).buffer },
    disable_keyboard: true,
    disable_mouse: true,
  }
}
