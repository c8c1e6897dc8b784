import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Migrator } from '../../src/migration/migrator.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import { ToProtocol } from '../../src/protocol/to-protocol.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { connectTcp } from '../../src/transports/tcp-connect.node.ts'
import { connectWebSocket } from '../../src/transports/websocket-client.node.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { measureBeside } from './measure.ts'
import { fillRandom } from './random-bytes.ts'

const MIB = 2 ** 20

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

export function filledDisk(size: number): MemoryStorage {
  const disk = new MemoryStorage(size)
  const piece = new Uint8Array(MIB)
  fillRandom(piece)
  for (let offset = 0; offset < size; offset += MIB) disk.writeAtSync(piece, offset)
  return disk
}

/** MB/s of a disk in memory to a disk in memory of another process, beside the same bytes over the bare channel, where they are counted. */
async function transfer(kind: TransportKind, blockSize: number, toy: boolean): Promise<BenchmarkResult> {
  const size = toy ? 4 * MIB : 512 * MIB
  const source = filledDisk(size)
  const piece = new Uint8Array(SEND_BYTES)
  fillRandom(piece)
  const { child, ports } = await startPeer(kind, size)
  const rate = (startedAt: number) => size / 1000 / (performance.now() - startedAt)
  try {
    return await measureBeside({
      unit: 'MB/s',
      runs: toy ? 1 : 7,
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
        const to = new ToProtocol(rw, { dev: 1, size, blockSize, name: 'disk' })
        await to.announce()
        const { remote } = createDirtyTracker(source, blockSize)
        const order = new AnyBlockOrder(size / blockSize)
        order.addAll()
        const migrator = new Migrator(remote, to, order, { blockSize })
        await migrator.migrate(order.numBlocks)
        await migrator.waitForCompletion()
        await to.flush()
        const measured = rate(startedAt)
        if (process.env.BENCH_DEBUG) console.error(kind, blockSize, 'window', rw.windowBytes)
        await close()
        return measured
      },
    })
  } finally {
    child.kill()
  }
}

export const benchmarks: Benchmark[] = [
  { name: 'tcp-64k', environment: 'node', run: ({ toy }) => transfer('tcp', 65536, toy) },
  { name: 'tcp-4k', environment: 'node', run: ({ toy }) => transfer('tcp', 4096, toy) },
  { name: 'websocket-node', environment: 'node', run: ({ toy }) => transfer('websocket', 65536, toy) },
]
