import { sendDisk } from '../../src/devices/send-disk.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { openConnection } from '../../src/protocol/connection.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { median, spread } from './measure.ts'
import { filledDisk } from './move-disk.ts'
import { connectPeer, startPeer } from './transport.bench.ts'

const MIB = 2 ** 20
const BLOCK_SIZE = 65536

/** Milliseconds from the call of a read at the destination to its bytes, for a block that would have come much later. */
async function firstRead(share: number, toy: boolean): Promise<BenchmarkResult> {
  const size = toy ? 32 * MIB : 512 * MIB
  const source = filledDisk(size)
  const values: number[] = []
  const rates: number[] = []
  let reads = 0
  const { child, ports } = await startPeer('tcp', size)
  try {
    for (let run = -1; run < (toy ? 0 : 5); run++) {
      const connection = await openConnection([await connectPeer('tcp', ports.read)], { role: 'dialer' })
      const measured = new Promise<{ waits: number[] }>((resolve) => child.once('message', resolve))
      const { remote } = createDirtyTracker(source, BLOCK_SIZE)
      const startedAt = performance.now()
      await sendDisk({ connection, source: remote, name: 'disk' })
      const rate = size / 1000 / (performance.now() - startedAt)
      const waits = (await measured).waits.sort((a, b) => a - b)
      await connection.close()
      if (run < 0 && !toy) continue
      values.push(waits[Math.floor((waits.length - 1) * share)]!)
      rates.push(rate)
      reads += waits.length
    }
  } finally {
    child.kill()
  }
  return {
    value: median(values),
    unit: 'ms',
    limit: null,
    ratio: null,
    runs: values.length,
    spread: spread(values),
    note: `${reads} reads of 4 KiB, while the disk came at ${Math.round(median(rates))} MB/s with hashes over TCP`,
  }
}

export const benchmarks: Benchmark[] = [
  { name: 'first-read-p50', environment: 'node', run: ({ toy }) => firstRead(0.5, toy) },
  { name: 'first-read-p99', environment: 'node', run: ({ toy }) => firstRead(0.99, toy) },
]
