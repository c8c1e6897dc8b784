import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { sendDisk } from '../../src/devices/send-disk.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { fillRandom } from './random-bytes.ts'

const MIB = 2 ** 20
const TIB = 2 ** 40
const BLOCK_SIZE = 65536

/** A channel that counts what goes through it, in both directions. */
function counted(channel: Channel, add: (bytes: number) => void): Channel {
  return {
    kind: channel.kind,
    ended: channel.ended,
    send: (parts) => {
      for (const part of parts) add(part.length)
      return channel.send(parts)
    },
    receive: (handler) => channel.receive(handler),
    close: () => channel.close(),
    abort: (reason) => channel.abort(reason),
  }
}

/** Sends a disk with everything that belongs to it, hello to hand-over; returns the bytes of both directions. */
async function bytesOnTheWire(source: MemoryStorage, sparse: boolean): Promise<{ bytes: number; ms: number }> {
  let bytes = 0
  const add = (more: number) => {
    bytes += more
  }
  const { a, b } = memoryChannels()
  const [near, far] = await Promise.all([
    openConnection([counted(a, add)], { role: 'dialer' }),
    openConnection([counted(b, add)], { role: 'listener' }),
  ])
  const { remote } = createDirtyTracker(source, BLOCK_SIZE)
  const startedAt = performance.now()
  const sending = sendDisk({ connection: near, source: remote, name: 'disk' })
  const received = await receiveDisk({
    connection: far,
    create: ({ size }) => new MemoryStorage(size, { sparse }),
  })
  await sending
  await received.handedOver
  const ms = performance.now() - startedAt
  await near.close()
  return { bytes, ms }
}

async function overhead(toy: boolean): Promise<BenchmarkResult> {
  const size = (toy ? 8 : 256) * MIB
  const source = new MemoryStorage(size)
  const piece = new Uint8Array(MIB)
  fillRandom(piece)
  for (let offset = 0; offset < size; offset += MIB) source.writeAtSync(piece, offset)
  const { bytes } = await bytesOnTheWire(source, false)
  const note = `${bytes - size} bytes beside the ${size} of the disk, both directions`
  return { value: bytes / size, unit: 'x', limit: null, ratio: null, runs: 1, spread: 0, note }
}

async function emptyDisk(toy: boolean): Promise<BenchmarkResult> {
  const { bytes, ms } = await bytesOnTheWire(new MemoryStorage(toy ? TIB / 1024 : TIB, { sparse: true }), true)
  const note = `both directions, in ${(ms / 1000).toFixed(1)} s`
  return { value: bytes / 1024, unit: 'KiB', limit: null, ratio: null, runs: 1, spread: 0, note }
}

export const benchmarks: Benchmark[] = [
  { name: 'wire-overhead', environment: 'node', run: ({ toy }) => overhead(toy) },
  { name: 'wire-empty-1tib', environment: 'node', run: ({ toy }) => emptyDisk(toy) },
]
