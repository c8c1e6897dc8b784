import { receiveDisk } from '../../src/devices/receive-disk.ts'
import { sendDisk } from '../../src/devices/send-disk.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import type { Channel } from '../../src/protocol/channel.ts'
import { FEATURE, openConnection } from '../../src/protocol/connection.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { compareDisks } from '../../src/storage/compare.ts'
import { memoryChannels } from '../../src/transports/memory.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { median } from './measure.ts'
import { PacedChannel } from './paced-channel.ts'
import { PacedWriter } from './paced-writer.ts'
import { fillRandom } from './random-bytes.ts'

const MIB = 2 ** 20
const BLOCK_SIZE = 65536
const LINK_BYTES_PER_MS = 50_000

/** Bytes that the source sends to move a disk while a program writes 4 KiB all over it, for each byte of the disk. */
async function sentOver(size: number, without: number): Promise<number> {
  const source = new MemoryStorage(size)
  const piece = new Uint8Array(MIB)
  for (let offset = 0; offset < size; offset += MIB) {
    fillRandom(piece)
    source.writeAtSync(piece, offset)
  }
  const { local, remote } = createDirtyTracker(source, BLOCK_SIZE)
  const { a, b } = memoryChannels()
  const paced = new PacedChannel(a, LINK_BYTES_PER_MS)
  let bytes = 0
  const counted: Channel = {
    kind: paced.kind,
    ended: paced.ended,
    send: (parts) => {
      for (const part of parts) bytes += part.length
      return paced.send(parts)
    },
    receive: (handler) => paced.receive(handler),
    close: () => paced.close(),
    abort: (reason) => paced.abort(reason),
  }
  const [near, far] = await Promise.all([
    openConnection([counted], { role: 'dialer', without }),
    openConnection([b], { role: 'listener' }),
  ])
  // Whole blocks become dirty at half the rate at which they are sent.
  const blocksPerMs = LINK_BYTES_PER_MS / 2 / BLOCK_SIZE
  const writer = new PacedWriter(local, { blockSize: BLOCK_SIZE, blocksPerMs, now: () => performance.now() })
  const writing = writer.run()
  const sending = sendDisk({ connection: near, source: remote, name: 'disk', maxPauseMs: 1000 })
  const disk = new MemoryStorage(size)
  const received = await receiveDisk({ connection: far, create: () => disk })
  await sending
  await received.whole
  // A write that waits for the source to be unlocked never ends, and has changed nothing.
  writer.stop()
  void writing
  const { bytes: wrong } = await compareDisks(source, disk, BLOCK_SIZE)
  if (wrong > 0) throw new Error(`${wrong} bytes are not at the destination as they were handed over`)
  await near.close()
  return bytes / size
}

async function resent(toy: boolean): Promise<BenchmarkResult> {
  const size = (toy ? 4 : 96) * MIB
  const runs = toy ? 1 : 3
  const patched: number[] = []
  const whole: number[] = []
  for (let run = 0; run < runs; run++) {
    whole.push(await sentOver(size, FEATURE.patch))
    patched.push(await sentOver(size, 0))
  }
  const value = median(patched)
  const limit = median(whole)
  const spread = (Math.max(...patched) - Math.min(...patched)) / value
  const note = `bytes sent for each byte of the disk; of what goes a second time ${(((value - 1) / (limit - 1)) * 100).toFixed(0)} %`
  return { value, unit: 'x', limit, ratio: limit / value, runs, spread, note }
}

/** What patches save: 4 KiB writes all over a disk of 64 KiB blocks, with patches and without. */
export const benchmarks: Benchmark[] = [
  { name: 'resent-4k-writes', environment: 'node', run: ({ toy }) => resent(toy) },
]
