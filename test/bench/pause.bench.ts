import { MemoryStorage } from '../../src/sources/memory.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { collectGarbage, median, percentile, spread } from './measure.ts'
import { BLOCK_SIZE, type HandOverTimes, type Manner, PauseRig } from './pause-rig.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30

/** A link of 1 Gbit/s: of the loopback as it is half the rate would be more than one process writes and another sends. */
const LINK_BYTES_PER_MS = 125_000

/** `p50 / p99`, in milliseconds. */
function both(times: readonly HandOverTimes[], of: keyof HandOverTimes): string {
  const values = times.map((time) => time[of])
  return `${percentile(values, 0.5).toFixed(1)} / ${percentile(values, 0.99).toFixed(1)}`
}

async function repeat(rig: PauseRig, count: number, manner: Manner): Promise<HandOverTimes[]> {
  const times: HandOverTimes[] = []
  for (let run = 0; run < count; run++) {
    collectGarbage()
    times.push(await rig.handOver(manner))
  }
  return times
}

/** Milliseconds from the call that stops the writer to the open gate at the other process. */
async function pauses(share: number, toy: boolean): Promise<BenchmarkResult> {
  const rig = await PauseRig.start({ size: (toy ? 2 : 32) * MIB, linkBytesPerMs: LINK_BYTES_PER_MS })
  try {
    const rates: number[] = []
    for (let run = 0; run < 3; run++) rates.push(await rig.bareRate())
    const bare = median(rates)
    const blocksPerMs = bare / 2 / BLOCK_SIZE
    const memory = { disk: rig.memoryDisk(), to: 'memory', blocksPerMs } as const
    // The first one is slow: nothing has been compiled yet.
    if (!toy) await rig.handOver(memory)
    const times = await repeat(rig, toy ? 1 : 60, memory)
    const early = await repeat(rig, toy ? 1 : 20, { ...memory, strategy: 'auto' })
    const file = { disk: await rig.fileDisk(), to: 'journaled-file', blocksPerMs } as const
    if (!toy) await rig.handOver(file)
    const durable = await repeat(rig, toy ? 1 : 20, file)
    const values = times.map(({ gate }) => gate)
    return {
      value: percentile(values, share),
      unit: 'ms',
      limit: null,
      ratio: null,
      runs: values.length,
      spread: spread(values),
      note:
        `link by hand ${Math.round(bare / 1000)} MB/s, half of it becomes dirty; p50 / p99 of ${times.length} hand-overs of ` +
        `${rig.size / MIB} MiB in memory: gate ${both(times, 'gate')} ms, as the source tells it ${both(times, 'source')} ms, ` +
        `a write held back at the source and done over there ${both(times, 'write')} ms, any other write at most ` +
        `${Math.max(...times.map(({ longest }) => longest)).toFixed(1)} ms; of ${early.length} with strategy auto ${both(early, 'gate')} ms; ` +
        `of ${durable.length} with disks and journals in files ${both(durable, 'gate')} ms`,
    }
  } finally {
    await rig.end()
  }
}

/** Blocks that are dirty when the writer is stopped. */
const LAST_BLOCKS = 16

/** Milliseconds that the pause for a large disk, mostly holes, is longer than that for a small one, with the same blocks to be sent. */
async function sizes(toy: boolean): Promise<BenchmarkResult> {
  const rig = await PauseRig.start({ size: MIB, linkBytesPerMs: Number.POSITIVE_INFINITY })
  const pause = async (to: 'memory' | 'journaled-memory', size: number): Promise<number> => {
    collectGarbage()
    const disk = new MemoryStorage(size, { sparse: true })
    const { gate } = await rig.handOver({ disk, to, blocksPerMs: 0, lastBlocks: LAST_BLOCKS })
    await disk.close()
    return gate
  }
  const measure = async (to: 'memory' | 'journaled-memory', runs: number) => {
    const [small, large]: [number[], number[]] = [[], []]
    for (let run = toy ? 0 : -2; run < runs; run++) {
      const pair = [await pause(to, GIB), await pause(to, (toy ? 4 : 256) * GIB)]
      if (run < 0) continue
      small.push(pair[0]!)
      large.push(pair[1]!)
    }
    // Of the quicker half: what else the machine does only ever makes a pause longer.
    return { small, large, difference: percentile(large, 0.25) - percentile(small, 0.25) }
  }
  try {
    const memory = await measure('memory', toy ? 1 : 15)
    const journaled = await measure('journaled-memory', toy ? 1 : 15)
    const text = ({ small, large }: { small: number[]; large: number[] }) =>
      `${percentile(large, 0.25).toFixed(2)} ms and ${percentile(small, 0.25).toFixed(2)} ms`
    return {
      value: journaled.difference,
      unit: 'ms',
      limit: null,
      ratio: null,
      runs: journaled.large.length,
      spread: spread(journaled.large),
      note:
        `256 GiB and 1 GiB, first quartiles of ${memory.large.length}, ${LAST_BLOCKS} dirty blocks: ${text(journaled)} with journals in files, ` +
        `${text(memory)} without (difference ${memory.difference.toFixed(2)} ms)`,
    }
  } finally {
    await rig.end()
  }
}

export const benchmarks: Benchmark[] = [
  { name: 'pause-tcp-p50', environment: 'node', run: ({ toy }) => pauses(0.5, toy) },
  { name: 'pause-tcp-p99', environment: 'node', run: ({ toy }) => pauses(0.99, toy) },
  { name: 'pause-size', environment: 'node', run: ({ toy }) => sizes(toy) },
]
