import { V86Memory } from '../../src/adapters/v86/v86-memory.ts'
import { fakeCpu } from '../adapters/v86/fake-cpu.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { measureBeside, median } from './measure.ts'
import { fillRandom } from './random-bytes.ts'

const MIB = 2 ** 20
const PAGE_BYTES = 4096

/** Pages that the guest has changed between two scans. */
const CHANGED = 100

/**
 * Milliseconds to find what has changed in a guest's memory, all of which was read before; beside the least that any scan has to do: one read of each cache line,
 * by a search for a byte that is not there.
 */
async function scan(toy: boolean): Promise<BenchmarkResult> {
  const pages = ((toy ? 1 : 128) * MIB) / PAGE_BYTES
  const { cpu, memory: bytes } = fakeCpu(pages)
  const all = bytes()
  for (let at = 0; at < all.length; at += MIB) fillRandom(all.subarray(at, at + MIB))
  for (let at = 0; at < all.length; at++) all[at]! |= 1
  const memory = new V86Memory(cpu, () => false)
  memory.trackAt(0, memory.size)
  const searched = Buffer.from(all.buffer, all.byteOffset, all.length)
  const copies: number[] = []
  const copy = new Uint8Array(all.length)
  const timed = async (work: () => unknown) => {
    const startedAt = performance.now()
    await work()
    return performance.now() - startedAt
  }
  const result = await measureBeside({
    unit: 'ms',
    runs: toy ? 1 : 15,
    better: 'lower',
    ours: async () => {
      // Another value in each, and none of them zero.
      for (let page = 0; page < CHANGED; page++) all[Math.floor((page * pages) / CHANGED) * PAGE_BYTES + 9]! ^= 2
      const took = await timed(() => memory.lock())
      const found = memory.dirtyBlocks
      memory.unlock()
      const dirty = memory.sync()
      dirty.forEachRun((start, count) => memory.trackAt(start * PAGE_BYTES, count * PAGE_BYTES))
      dirty.free()
      if (found !== Math.min(CHANGED, pages)) throw new Error(`${found} pages were found to have changed`)
      return took
    },
    limit: async () => {
      copies.push(await timed(() => copy.set(all)))
      return timed(() => searched.indexOf(0))
    },
  })
  const note = `${(pages * PAGE_BYTES) / MIB} MiB, ${CHANGED} pages of 4 KiB changed; the limit is one read of all of it (memchr), a copy of it takes ${median(copies).toFixed(1)} ms`
  return { ...result, note }
}

export const benchmarks: Benchmark[] = [{ name: 'ram-scan', environment: 'node', run: ({ toy }) => scan(toy) }]
