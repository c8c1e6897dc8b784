import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'
import { StorageError } from '../../errors/storage-error.ts'
import { DESCRIPTION_BYTES, STATE_BYTES } from './limits.ts'
import { guestMemory, type V86Cpu } from './machine.ts'
import type { SavedState } from './saved-state.ts'

/** What both sides must have alike for a machine to go on elsewhere. */
export interface MachineDescription {
  /** What the two applications call it: of which version the emulator is, and whatever else they want to be equal. */
  readonly version: string
  readonly memoryBytes: number
  readonly vgaMemoryBytes: number
  readonly diskBytes: number
  /** Of the emulator's saved states. */
  readonly stateVersion: number
  /** Which devices there are, and lengths that tell builds of the emulator apart. */
  readonly devices: string
}

/** A message begins with the version of its form. */
const FORM = 'blockferry v86 1'

/** Where a saved state has devices; null where the machine lacks one. The rest of it is registers, or comes and goes. */
const DEVICES = [45, 47, 48, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 61, 79, 80, 81, 82, 83, 84, 85, 89, 90, 91]

/** Where it has interrupt controllers, as the emulator's memory holds them: of another length in another build. */
const CONTROLLERS = [46, 63]

/** Describes a machine, whether it runs or not. */
export function describe(
  cpu: V86Cpu,
  saved: SavedState,
  { version, diskBytes }: { version: string; diskBytes: number },
): MachineDescription {
  const { tree, parts } = saved
  const devices = DEVICES.map((index) => (tree[index] === null || tree[index] === undefined ? '-' : index)).join(' ')
  const controllers = CONTROLLERS.map(
    (index) => parts[(tree[index] as { buffer_id?: number } | null)?.buffer_id ?? -1]?.length ?? 0,
  )
  return {
    version,
    memoryBytes: guestMemory(cpu).length,
    vgaMemoryBytes: cpu.devices.vga?.vga_memory_size ?? 0,
    diskBytes,
    stateVersion: saved.version,
    devices: `${devices} | ${controllers.join(' ')}`,
  }
}

export function encodeDescription(description: MachineDescription): Uint8Array {
  return new TextEncoder().encode(`${FORM}\n${JSON.stringify(description)}`)
}

/** @throws StorageError `MALFORMED`, `INCOMPATIBLE`, `LIMIT_EXCEEDED` */
export function decodeDescription(message: Uint8Array): MachineDescription {
  if (message.length > DESCRIPTION_BYTES) throw new StorageError('LIMIT_EXCEEDED')
  const [form, text = ''] = new TextDecoder().decode(message).split('\n', 2) as [string, string?]
  if (form !== FORM) throw new StorageError('INCOMPATIBLE', 'The peer describes its machine in another way.')
  const { version, memoryBytes, vgaMemoryBytes, diskBytes, stateVersion, devices } = parse(text)
  const sizes = [memoryBytes, vgaMemoryBytes, diskBytes, stateVersion]
  if (
    typeof version !== 'string' ||
    typeof devices !== 'string' ||
    !sizes.every((size) => Number.isSafeInteger(size) && Number(size) >= 0)
  ) {
    throw new StorageError('MALFORMED', 'The peer does not describe a machine.')
  }
  return { version, memoryBytes, vgaMemoryBytes, diskBytes, stateVersion, devices } as MachineDescription
}

/** Two sides that name nothing would agree on anything. @throws InvalidArgumentError */
export function checkVersion(version: string): void {
  if (typeof version !== 'string' || version === '')
    throw new InvalidArgumentError('version', 'what both sides name alike', version)
}

/** Refuses a machine that is not like the other. @throws StorageError `INCOMPATIBLE` */
export function checkAlike(ours: MachineDescription, theirs: MachineDescription): void {
  for (const key of Object.keys(ours) as (keyof MachineDescription)[]) {
    if (ours[key] === theirs[key]) continue
    const context = { what: key, ours: ours[key], theirs: theirs[key] }
    throw new StorageError(
      'INCOMPATIBLE',
      `The machines differ: ${key} is ${ours[key]} here and ${theirs[key]} there.`,
      { context },
    )
  }
}

/** @throws StorageError `LIMIT_EXCEEDED` */
export function checkStateSize(bytes: number): void {
  if (bytes > STATE_BYTES) throw new StorageError('LIMIT_EXCEEDED', `The state of the machine takes ${bytes} bytes.`)
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // Told below.
  }
  throw new StorageError('MALFORMED', 'The peer does not describe a machine.')
}
