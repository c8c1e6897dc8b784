import type { V86 } from 'v86'
import { arrive } from '../../../src/adapters/v86/arrive.ts'
import { type TeleportPhase, teleport } from '../../../src/adapters/v86/teleport.ts'
import { V86Disk } from '../../../src/adapters/v86/v86-disk.ts'
import { openConnection } from '../../../src/protocol/connection.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { OpfsStorage } from '../../../src/sources/opfs.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { dataChannelChannel } from '../../../src/transports/webrtc.ts'
import { BARE_MEMORY_BYTES, bareMachine } from '../../adapters/v86/bare-machine.ts'
import { describePeer } from './pausing.ts'

/** Where the disk of a machine lies: OPFS, memory of ours, or a buffer of the emulator's. */
export type DiskKind = 'opfs' | 'memory' | 'own'

/** What a page has measured of a move, on the clock of the machine as far as two browsers agree on it. */
export interface MoveTimes {
  /** From the stop at the source to the word that the guest runs at the destination. */
  readonly pauseMs?: number
  readonly stoppedAt?: number
  readonly runsAt?: number
  readonly rounds?: number
  readonly tookMs?: number
}

const VERSION = 'benchmark'
const VGA_MEMORY_BYTES = 2 ** 21
const wasmUrl = new URL('../../../node_modules/v86/build/v86.wasm', import.meta.url).href
const DISK_NAME = 'benchmark-guest'
const now = () => performance.timeOrigin + performance.now()

let machine: { emulator: V86; disk: V86Disk | undefined; isBare: boolean; said: string; written: number } | undefined
let peer: RTCPeerConnection | undefined
let moving: Promise<MoveTimes> = Promise.resolve({})
let phase: TeleportPhase | undefined

function keep(emulator: V86, disk: V86Disk | undefined, isBare: boolean): void {
  const made = { emulator, disk, isBare, said: '', written: 0 }
  machine = made
  if (disk) {
    const set = disk.set.bind(disk)
    disk.set = (start, data, taken) => {
      made.written += data.length
      set(start, data, taken)
    }
  }
  emulator.add_listener('serial0-output-byte', (byte) => {
    // The one that counts says thousands.
    made.said = (made.said + String.fromCharCode(byte)).slice(-10_000)
  })
}

async function freshDisk(kind: DiskKind, size: number): Promise<StorageProvider> {
  if (kind !== 'opfs') return new MemoryStorage(size)
  await OpfsStorage.delete(DISK_NAME)
  return OpfsStorage.open(DISK_NAME, { size })
}

/** Starts a guest that was saved, or, without one, a machine that only counts. */
async function machineStart(url: string | undefined, kind: DiskKind): Promise<void> {
  await machineEnd()
  if (url === undefined) {
    const disk = new V86Disk(new MemoryStorage(2 ** 20))
    keep(
      bareMachine(wasmUrl, disk.image, { memory_size: BARE_MEMORY_BYTES, vga_memory_size: 2 ** 18, autostart: true }),
      disk,
      true,
    )
    return
  }
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer())
  const { state, generation } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, 100)))
  const image = bytes.slice(100 + state)
  const { V86 } = await import('v86')
  let disk: V86Disk | undefined
  if (kind !== 'own') {
    const place = await freshDisk(kind, image.length)
    for (let at = 0; at < image.length; at += 2 ** 20) await place.writeAt(image.subarray(at, at + 2 ** 20), at)
    disk = new V86Disk(place, { id: 'guest', generation })
  }
  const emulator = new V86({
    ...options(128 * 2 ** 20, VGA_MEMORY_BYTES),
    hda: disk?.image ?? { buffer: image.buffer },
    // The emulator's own disk wants its content from the state, which has none.
    ...(disk ? { initial_state: { buffer: bytes.slice(100, 100 + state).buffer } } : {}),
    autostart: disk !== undefined,
  })
  keep(emulator, disk, false)
  await new Promise<void>((resolve) => emulator.add_listener('emulator-loaded', resolve))
  if (disk) return
  const own = (emulator as unknown as OwnDisk).v86.cpu.devices.ide.primary.master.buffer
  own.set_state = () => {}
  await emulator.restore_state(bytes.slice(100, 100 + state).buffer)
  await emulator.run()
}

/** Where the emulator keeps its own disk. */
interface OwnDisk {
  readonly v86: {
    readonly cpu: {
      readonly devices: { readonly ide: { readonly primary: { readonly master: { buffer: { set_state(): void } } } } }
    }
  }
}

function options(memory_size: number, vga_memory_size: number) {
  const quiet = { disable_keyboard: true, disable_mouse: true, disable_speaker: true }
  return { ...quiet, wasm_path: wasmUrl, memory_size, vga_memory_size }
}

async function machineEnd(): Promise<void> {
  const last = machine
  machine = undefined
  await last?.emulator.destroy()
  await last?.disk?.tracker.local.close()
}

/** Types at the guest's serial port; resolves with what it says from then until it says `until`, or at once. */
async function machineType(text: string, until?: string): Promise<string> {
  const { emulator } = machine!
  const made = machine!
  made.said = ''
  emulator.serial0_send(text)
  while (until !== undefined && !made.said.includes(until)) await new Promise((resolve) => setTimeout(resolve, 5))
  return made.said
}

/** Milliseconds until the guest has said `until` to what was typed. */
async function machineTakes(text: string, until: string): Promise<number> {
  const startedAt = performance.now()
  await machineType(text, until)
  return performance.now() - startedAt
}

/** Milliseconds until a machine that only counts has said so many bytes. */
async function machineCounts(bytes: number): Promise<number> {
  const made = machine!
  made.said = ''
  const startedAt = performance.now()
  while (made.said.length < bytes) await new Promise((resolve) => setTimeout(resolve, 1))
  return performance.now() - startedAt
}

/** Bytes that the guest writes to its disk in a second, over so many milliseconds. */
async function machineWrites(ms: number): Promise<number> {
  const made = machine!
  const before = made.written
  const startedAt = performance.now()
  await new Promise((resolve) => setTimeout(resolve, ms))
  return ((made.written - before) / (performance.now() - startedAt)) * 1000
}

/** How far the machine is on its way from here. */
function machinePhase(): TeleportPhase | undefined {
  return phase
}

/** Begins to move the machine away; resolves with the offer of a connection. */
async function machineOffer(): Promise<string> {
  peer?.close()
  phase = undefined
  peer = new RTCPeerConnection()
  const object = peer.createDataChannel('machine')
  moving = leave(object)
  moving.catch(() => {}) // Heard by whoever asks.
  await peer.setLocalDescription()
  return describePeer(peer)
}

/** Begins to take a machine; resolves with the answer. */
async function machineAnswer(sdp: string, kind: DiskKind): Promise<string> {
  await machineEnd()
  peer?.close()
  peer = new RTCPeerConnection()
  const answering = peer
  moving = new Promise<RTCDataChannel>((resolve) => {
    answering.ondatachannel = ({ channel }) => resolve(channel)
  }).then((object) => take(object, kind))
  moving.catch(() => {}) // As above.
  await peer.setRemoteDescription({ type: 'offer', sdp })
  await peer.setLocalDescription()
  return describePeer(peer)
}

async function machineAccept(sdp: string): Promise<void> {
  await peer!.setRemoteDescription({ type: 'answer', sdp })
}

/** Resolves when the move is over, with what this side has measured. */
function machineMoved(): Promise<MoveTimes> {
  return moving
}

async function leave(object: RTCDataChannel): Promise<MoveTimes> {
  const channel = dataChannelChannel(object, { maxMessageSize: 2 ** 18 })
  const connection = await openConnection([channel], { role: 'dialer' })
  const startedAt = performance.now()
  let stoppedAt = 0
  const { emulator, disk } = machine!
  const { pauseMs, rounds } = await teleport({
    emulator,
    disk: disk!,
    connection,
    version: VERSION,
    maxPauseMs: 10_000,
    onPhase: (next) => {
      phase = next
      if (phase === 'stopped') stoppedAt = now()
    },
  })
  const tookMs = performance.now() - startedAt
  await connection.close()
  await machineEnd()
  return { ...(pauseMs === undefined ? {} : { pauseMs }), rounds, stoppedAt, tookMs }
}

async function take(object: RTCDataChannel, kind: DiskKind): Promise<MoveTimes> {
  const channel = dataChannelChannel(object, { maxMessageSize: 2 ** 18 })
  const connection = await openConnection([channel], { role: 'listener' })
  const { V86 } = await import('v86')
  const { running } = await arrive({
    connection,
    version: VERSION,
    place: ({ size }) => freshDisk(kind, size),
    machine: ({ disk, memoryBytes, vgaMemoryBytes }) => {
      const isBare = memoryBytes === BARE_MEMORY_BYTES
      const sizes = { memory_size: memoryBytes, vga_memory_size: vgaMemoryBytes, autostart: false }
      const emulator = isBare
        ? bareMachine(wasmUrl, disk.image, sizes)
        : new V86({ ...options(memoryBytes, vgaMemoryBytes), hda: disk.image, autostart: false })
      keep(emulator, disk, isBare)
      return emulator
    },
  })
  await running
  const runsAt = now()
  await connection.rw.ended
  return { runsAt }
}

/** MB/s that a disk takes, and gives back, without a guest: how benchmarks are tried where no guest was built. */
async function diskAlone(kind: DiskKind): Promise<number> {
  const size = 2 ** 20
  const place = await freshDisk(kind, size)
  const disk = new V86Disk(place)
  const piece = new Uint8Array(2 ** 16).fill(1)
  const startedAt = performance.now()
  for (let at = 0; at < size; at += piece.length) await new Promise<void>((resolve) => disk.set(at, piece, resolve))
  await disk.flush()
  for (let at = 0; at < size; at += piece.length) await new Promise((resolve) => disk.get(at, piece.length, resolve))
  const rate = (2 * size) / 1000 / (performance.now() - startedAt)
  await disk.close()
  await place.close()
  return rate
}

/** What the benchmarks of machines ask of a page. */
const machines = {
  diskAlone,
  machineStart,
  machineEnd,
  machineType,
  machineTakes,
  machineCounts,
  machineWrites,
  machinePhase,
  machineOffer,
  machineAnswer,
  machineAccept,
  machineMoved,
}

declare global {
  interface Window {
    machines: typeof machines
  }
}
window.machines = machines
