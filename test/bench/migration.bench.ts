import { Migrator } from '../../src/migration/migrator.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { createBlockHasher } from '../../src/storage/block-hasher.ts'
import { HashTree } from '../../src/storage/hash-tree.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { measureBeside } from './measure.ts'

/** Fills with numbers that no zero check and no compressor likes. */
function fillRandom(bytes: Uint8Array): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
  let state = 1
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[index] = state
  }
}

const MIB = 2 ** 20

async function filledDisk(size: number): Promise<MemoryStorage> {
  const disk = new MemoryStorage(size)
  const piece = new Uint8Array(MIB)
  fillRandom(piece)
  for (let offset = 0; offset < size; offset += MIB) disk.writeAtSync(piece, offset)
  return disk
}

/** Moves a disk in memory, beside one `Uint8Array.set` of as many bytes. */
async function memoryToMemory(
  blockSize: number,
  options: { toy: boolean; verified?: boolean },
): Promise<BenchmarkResult> {
  const size = options.toy ? 4 * MIB : 1024 * MIB
  const source = await filledDisk(size)
  const destination = new MemoryStorage(size)
  const from = new Uint8Array(size)
  const to = new Uint8Array(size)
  fillRandom(from)
  destination.writeAtSync(to, 0)
  const hasher = await createBlockHasher()
  const rate = (startedAt: number) => size / 1e6 / ((performance.now() - startedAt) / 1000)
  return measureBeside({
    unit: 'MB/s',
    runs: options.toy ? 1 : 7,
    better: 'higher',
    limit: () => {
      const startedAt = performance.now()
      to.set(from)
      return rate(startedAt)
    },
    ours: async () => {
      const startedAt = performance.now()
      const { remote } = createDirtyTracker(source, blockSize)
      const order = new AnyBlockOrder(size / blockSize)
      order.addAll()
      const tree = options.verified ? new HashTree(size, blockSize, hasher) : undefined
      const blockHandler = tree && ((start: number, _count: number, bytes?: Uint8Array) => tree.update(start, bytes!))
      const migrator = new Migrator(remote, destination, order, {
        blockSize,
        ...(blockHandler ? { blockHandler } : {}),
      })
      await migrator.migrate(order.numBlocks)
      await migrator.waitForCompletion()
      tree?.root()
      return rate(startedAt)
    },
  })
}

/** The cost of noticing a write: a tracked 4 KiB write less an untracked one. */
async function trackedWrite(toy: boolean): Promise<BenchmarkResult> {
  // Small enough for the cache: what is asked for is the cost of noticing, not that of memory.
  const size = 4 * MIB
  const calls = toy ? 1000 : 100_000
  const data = new Uint8Array(4096).fill(1)
  const plain = new MemoryStorage(size)
  const { local, remote } = createDirtyTracker(new MemoryStorage(size), 65536)
  remote.trackAt(0, size)
  const nsPerWrite = async (disk: { writeAt(data: Uint8Array, offset: number): Promise<number> }) => {
    const startedAt = performance.now()
    for (let call = 0; call < calls; call++) await disk.writeAt(data, (call % 1024) * 4096)
    return ((performance.now() - startedAt) * 1e6) / calls
  }
  const result = await measureBeside({
    unit: 'ns',
    runs: toy ? 1 : 25,
    better: 'lower',
    limit: () => nsPerWrite(plain),
    ours: () => nsPerWrite(local),
  })
  const { value, limit } = result
  return {
    ...result,
    value: value - limit!,
    note: `tracked ${Math.round(value)} ns, untracked ${Math.round(limit!)} ns; value is the difference, ratio compares whole writes`,
  }
}

export const benchmarks: Benchmark[] = [
  { name: 'memory-64k', environment: 'node', run: ({ toy }) => memoryToMemory(65536, { toy }) },
  { name: 'memory-4k', environment: 'node', run: ({ toy }) => memoryToMemory(4096, { toy }) },
  { name: 'memory-1m', environment: 'node', run: ({ toy }) => memoryToMemory(MIB, { toy }) },
  {
    name: 'memory-64k-verified',
    environment: 'node',
    run: ({ toy }) => memoryToMemory(65536, { toy, verified: true }),
  },
  { name: 'tracked-write', environment: 'node', run: ({ toy }) => trackedWrite(toy) },
]
