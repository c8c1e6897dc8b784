import { Migrator } from '../../../src/migration/migrator.ts'
import { createDirtyTracker } from '../../../src/modules/dirty-tracker.ts'
import { AnyBlockOrder } from '../../../src/orders/any-block-order.ts'
import { IndexedDbStorage } from '../../../src/sources/indexeddb.ts'
import { MemoryStorage } from '../../../src/sources/memory.ts'
import { OpfsStorage } from '../../../src/sources/opfs.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import type { BenchmarkResult } from '../benchmark.ts'
import { measureBeside } from '../measure.ts'

/** What the worker is asked to measure. */
export interface StorageBenchmark {
  readonly name: 'opfs' | 'indexeddb'
  readonly toy: boolean
}

/** What it answers: one of the two. */
export interface Outcome {
  readonly result?: BenchmarkResult
  readonly error?: string
}

const KIB = 2 ** 10
const MIB = 2 ** 20
const BLOCK_SIZE = 64 * KIB

/** Bytes that cannot be compressed: Chromium compresses IndexedDB values. */
function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536))
  return bytes
}

/** MB/s of moving `size` bytes. */
async function rate(size: number, work: () => unknown): Promise<number> {
  const startedAt = performance.now()
  await work()
  return size / 1000 / (performance.now() - startedAt)
}

/** Moves all of a disk, as in the README's example. */
async function migrate(source: StorageProvider, destination: StorageProvider): Promise<void> {
  const { remote } = createDirtyTracker(source, BLOCK_SIZE)
  const order = new AnyBlockOrder(source.size / BLOCK_SIZE)
  order.addAll()
  const migrator = new Migrator(remote, destination, order, { blockSize: BLOCK_SIZE })
  await migrator.migrate(order.numBlocks)
  await migrator.waitForCompletion()
}

/** OPFS to OPFS, beside a plain loop over two sync access handles. Neither flushes: that would measure the drive. */
async function opfs(toy: boolean): Promise<BenchmarkResult> {
  const size = toy ? 4 * MIB : 256 * MIB
  const names = ['bench-source', 'bench-destination']
  const content = randomBytes(MIB)
  const fill = async (name: string) => {
    const disk = await OpfsStorage.open(name, { size })
    for (let offset = 0; offset < size; offset += MIB) disk.writeAtSync!(content, offset)
    await disk.flush()
    await disk.close()
  }
  for (const name of names) await fill(name)
  const buffer = new Uint8Array(MIB)
  const result = await measureBeside({
    unit: 'MB/s',
    runs: toy ? 1 : 21,
    better: 'higher',
    limit: async () => {
      const [from, to] = await Promise.all(names.map(rawHandle))
      const measured = await rate(size, () => {
        for (let at = 0; at < size; at += MIB) {
          from.read(buffer, { at })
          to.write(buffer, { at })
        }
      })
      from.close()
      to.close()
      return measured
    },
    ours: async () => {
      const [source, destination] = await Promise.all(names.map((name) => OpfsStorage.open(name)))
      const measured = await rate(size, () => migrate(source, destination))
      await Promise.all([source.close(), destination.close()])
      return measured
    },
  })
  for (const name of names) await OpfsStorage.delete(name)
  return result
}

interface RawHandle {
  read(target: Uint8Array, options: { at: number }): number
  write(data: Uint8Array, options: { at: number }): number
  close(): void
}

async function rawHandle(name: string): Promise<RawHandle> {
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('blockferry')
  const file = await folder.getFileHandle(`${name}.disk`)
  return (file as unknown as { createSyncAccessHandle(): Promise<RawHandle> }).createSyncAccessHandle()
}

/** Memory to IndexedDB, beside hand-written transactions of 8 MiB in the same records. Each run fills a fresh database. */
async function indexeddb(toy: boolean): Promise<BenchmarkResult> {
  const size = toy ? 8 * MIB : 128 * MIB
  const content = randomBytes(size)
  const source = new MemoryStorage(size)
  source.writeAtSync(content, 0)
  let runs = 0
  return measureBeside({
    unit: 'MB/s',
    runs: toy ? 1 : 5,
    better: 'higher',
    limit: async () => {
      const name = `bench-raw-${runs++}`
      const database = await openRaw(name)
      const measured = await rate(size, async () => {
        for (let start = 0; start < size; start += 8 * MIB) {
          const transaction = database.transaction('disk', 'readwrite', { durability: 'relaxed' })
          const store = transaction.objectStore('disk')
          for (let at = start; at < start + 8 * MIB; at += BLOCK_SIZE) {
            store.put(content.slice(at, at + BLOCK_SIZE), at / BLOCK_SIZE)
          }
          await new Promise((resolve, reject) => {
            transaction.oncomplete = resolve
            transaction.onabort = () => reject(transaction.error)
          })
        }
      })
      database.close()
      await settled(indexedDB.deleteDatabase(name))
      return measured
    },
    ours: async () => {
      const name = `bench-${runs++}`
      const destination = await IndexedDbStorage.open(name, { size })
      const measured = await rate(size, () => migrate(source, destination))
      await destination.close()
      await IndexedDbStorage.delete(name)
      return measured
    },
  })
}

async function openRaw(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name)
  request.onupgradeneeded = () => request.result.createObjectStore('disk')
  await settled(request)
  return request.result
}

function settled(request: IDBRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve()
    request.onerror = () => reject(request.error)
  })
}

self.onmessage = async ({ data: { name, toy } }: MessageEvent<StorageBenchmark>) => {
  try {
    self.postMessage({ result: await { opfs, indexeddb }[name](toy) } satisfies Outcome)
  } catch (error) {
    self.postMessage({ error: error instanceof Error ? String(error.stack) : String(error) } satisfies Outcome)
  }
}
