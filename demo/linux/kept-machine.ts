import { del, get, set } from 'idb-keyval'
import { MACHINE_VERSION } from './machine.ts'

/** A machine as it was once it had booted: its state, and the disk that belongs to it. */
export interface KeptMachine {
  readonly version: string
  /** Of the disk, for the emulator to know it again. */
  readonly disk: { readonly id: string; readonly generation: number; readonly size: number }
  /** Both packed by gzip. */
  readonly state: Blob
  readonly image: Blob
}

const KEY = 'blockferry.linux'

/** Keeps a machine for the next visit; a browser that has no room keeps none. Returns whether it is kept. */
export async function keepMachine(machine: Omit<KeptMachine, 'version'>): Promise<boolean> {
  try {
    const [state, image] = await Promise.all([pack(machine.state), pack(machine.image)])
    await set(KEY, { version: MACHINE_VERSION, disk: machine.disk, state, image } satisfies KeptMachine)
    return true
  } catch {
    return false
  }
}

/** The machine that was kept, unpacked; undefined when there is none that this page can run. */
export async function keptMachine(): Promise<Omit<KeptMachine, 'version'> | undefined> {
  const kept = await get<KeptMachine>(KEY).catch(() => undefined)
  if (!kept) return undefined
  if (kept.version !== MACHINE_VERSION) {
    await forgetMachine()
    return undefined
  }
  try {
    const [state, image] = await Promise.all([unpack(kept.state), unpack(kept.image)])
    return { disk: kept.disk, state, image }
  } catch {
    return undefined // It is made anew by booting.
  }
}

/** One that does not go on is of no use. */
export async function forgetMachine(): Promise<void> {
  await del(KEY)
}

function pack(blob: Blob): Promise<Blob> {
  return new Response(blob.stream().pipeThrough(new CompressionStream('gzip'))).blob()
}

function unpack(blob: Blob): Promise<Blob> {
  return new Response(blob.stream().pipeThrough(new DecompressionStream('gzip'))).blob()
}
