import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Channel } from '../../src/protocol/channel.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { FromProtocol } from '../../src/protocol/from-protocol.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { connectTcp } from '../../src/transports/tcp-connect.node.ts'
import { connectWebSocket } from '../../src/transports/websocket-client.node.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { measureBeside } from './measure.ts'
import { filledDisk, moveDisk } from './move-disk.ts'
import { fillRandom } from './random-bytes.ts'
import { slowLink } from './slow-link.ts'

const MIB = 2 ** 20

/** Runs of each side that are not counted, with one connection each: from the fifth on no run of ours takes less processor time than the one before. */
const WARM_UPS = 4

/** Bytes of one send over the bare channel, as large as the runs of a migration. */
const SEND_BYTES = MIB

export type TransportKind = 'tcp' | 'websocket'

/** Where the other process listens. */
export interface PeerPorts {
  readonly count: number
  readonly store: number
  readonly read: number
}

/** Starts the other process; to be ended by {@link ChildProcess.kill}. */
export async function startPeer(kind: TransportKind, size: number): Promise<{ child: ChildProcess; ports: PeerPorts }> {
  const child = fork(fileURLToPath(new URL('transport-peer.js', import.meta.url)), [kind, String(size)])
  const ports = await new Promise<PeerPorts>((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`the other process ended with ${code}`)))
  })
  return { child, ports }
}

export async function connectPeer(kind: TransportKind, port: number): Promise<Channel> {
  if (kind === 'tcp') return connectTcp({ host: '127.0.0.1', port })
  return (await connectWebSocket(`ws://127.0.0.1:${port}`, { protocols: ['blockferry.1'] })).channel
}

/**
 * MB/s of a disk in memory to a disk in memory of another process, beside the same bytes over the bare channel, where the same piece is sent
 * again and again and what comes is only counted: nothing is read from or stored to memory that is not in a cache of the processor.
 *
 * Both sides run warm, as a disk of more than a few GiB does: `WARM_UPS` runs of each in the same processes are not counted, and no
 * collection of garbage is forced in between, which would throw away the code compiled so far.
 */
async function transfer(kind: TransportKind, blockSize: number, toy: boolean): Promise<BenchmarkResult> {
  const size = (toy ? 4 : kind === 'tcp' ? 512 : 256) * MIB
  const source = filledDisk(size)
  const piece = new Uint8Array(SEND_BYTES)
  fillRandom(piece)
  const { child, ports } = await startPeer(kind, size)
  const rate = (startedAt: number) => size / 1000 / (performance.now() - startedAt)
  try {
    return await measureBeside({
      unit: 'MB/s',
      runs: toy ? 1 : 9,
      warmUps: toy ? 0 : WARM_UPS,
      collects: false,
      better: 'higher',
      limit: async () => {
        const channel = await connectPeer(kind, ports.count)
        const counted = new Promise<void>((resolve) => channel.receive(() => resolve()))
        const startedAt = performance.now()
        const sends: Promise<void>[] = []
        for (let at = 0; at < size; at += SEND_BYTES) {
          sends.push(channel.send([piece]))
          // Two at a time keep the channel busy.
          if (sends.length > 1) await sends.shift()
        }
        await counted
        const measured = rate(startedAt)
        await channel.close()
        return measured
      },
      ours: async () => {
        const channel = await connectPeer(kind, ports.store)
        const { rw, close } = await openConnection([channel], { role: 'dialer' })
        const startedAt = performance.now()
        await moveDisk(source, rw, blockSize)
        const measured = rate(startedAt)
        await close()
        return measured
      },
    })
  } finally {
    child.kill()
  }
}

/** A link like 1 Gbit/s across an ocean: 100 MB/s with a round trip of 100 ms holds 10 MB. */
const LINK_BYTES_PER_MS = 100_000
const TRIP_MS = 100

async function delayed(toy: boolean): Promise<BenchmarkResult> {
  const size = (toy ? 4 : 256) * MIB
  const source = filledDisk(size)
  const piece = new Uint8Array(SEND_BYTES)
  const destination = new MemoryStorage(size)
  const rate = (startedAt: number) => size / 1000 / (performance.now() - startedAt)
  const result = await measureBeside({
    unit: 'MB/s',
    runs: toy ? 1 : 3,
    better: 'higher',
    limit: async () => {
      const [near, far] = slowLink(LINK_BYTES_PER_MS, TRIP_MS)
      const startedAt = performance.now()
      let left = size
      const counted = new Promise<void>((resolve) => {
        far.receive((bytes) => {
          left -= bytes.length
          if (left === 0) resolve()
        })
      })
      for (let at = 0; at < size; at += SEND_BYTES) await near.send([piece])
      await counted
      return rate(startedAt)
    },
    ours: async () => {
      const [near, far] = slowLink(LINK_BYTES_PER_MS, TRIP_MS)
      const [connection, theirs] = await Promise.all([
        openConnection([near], { role: 'dialer' }),
        openConnection([far], { role: 'listener' }),
      ])
      new FromProtocol(theirs.rw, 1, () => ({ provider: destination }))
      const startedAt = performance.now()
      await moveDisk(source, connection.rw, 65536)
      const measured = rate(startedAt)
      for (const { rw } of [connection, theirs]) rw.abort(new Error('measured'))
      return measured
    },
  })
  const note = `a link of 100 MB/s with a round trip of ${TRIP_MS} ms, both ends in one process; ours includes the growing of the window and a flush`
  return { ...result, note }
}

export const benchmarks: Benchmark[] = [
  { name: 'tcp-64k', environment: 'node', run: ({ toy }) => transfer('tcp', 65536, toy) },
  { name: 'tcp-4k', environment: 'node', run: ({ toy }) => transfer('tcp', 4096, toy) },
  { name: 'delay-100ms', environment: 'node', run: ({ toy }) => delayed(toy) },
  { name: 'websocket-node', environment: 'node', run: ({ toy }) => transfer('websocket', 65536, toy) },
]
