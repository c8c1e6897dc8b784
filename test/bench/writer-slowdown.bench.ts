import { migrateLive } from '../../src/migration/migrate-live.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { StorageWrapper } from '../../src/storage/wrapper.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { collectGarbage, median } from './measure.ts'
import { filledDisk } from './move-disk.ts'

const MIB = 2 ** 20
const BLOCK_SIZE = 65536
const WRITE_SIZE = 4096
const LINK_BYTES_PER_MS = 100_000

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** A destination at the end of a link of a fixed rate that can be halted. */
class LinkedDisk extends StorageWrapper {
  /** Bytes that have gone over it. */
  bytes = 0
  #freeAt = 0
  #halted: Promise<void> | undefined
  #goOn = () => {}

  halt(): void {
    this.#halted = new Promise((resolve) => {
      this.#goOn = resolve
    })
  }

  goOn(): void {
    this.#halted = undefined
    this.#goOn()
  }

  override async writeAt(data: Uint8Array, offset: number): Promise<number> {
    while (this.#halted) await this.#halted
    const now = performance.now()
    this.#freeAt = Math.max(now, this.#freeAt) + data.length / LINK_BYTES_PER_MS
    await sleep(this.#freeAt - now)
    this.bytes += data.length
    return this.inner.writeAt(data, offset)
  }
}

/** A program that writes its share each millisecond and does not catch up: what it waits for, a turn of the thread included, slows it down. */
class SteadyWriter {
  readonly #disk: StorageProvider
  readonly #writesPerTick = Math.round(LINK_BYTES_PER_MS / 2 / WRITE_SIZE)
  #isRunning = true
  writes = 0

  constructor(disk: StorageProvider) {
    this.#disk = disk
  }

  async run(): Promise<void> {
    const data = new Uint8Array(WRITE_SIZE)
    const slots = this.#disk.size / WRITE_SIZE
    // A quarter of the disk, from end to end and again: a log of that rate dirties half of what the link sends.
    for (let slot = 0; this.#isRunning; ) {
      for (let write = 0; write < this.#writesPerTick && this.#isRunning; write++) {
        slot = (slot + 1) % (slots >> 2)
        data.fill(1 + (this.writes & 127))
        await this.#disk.writeAt(data, slot * WRITE_SIZE)
        this.writes++
      }
      await sleep(1)
    }
  }

  stop(): void {
    this.#isRunning = false
  }
}

/** What happened in a window of time: its length and CPU time in milliseconds, writes of the program, bytes sent. */
interface Window {
  readonly ms: number
  readonly cpu: number
  readonly writes: number
  readonly bytes: number
}

/** Looks at a window of time, of which the first part is left out. */
async function look(writer: SteadyWriter, link: LinkedDisk, windowMs: number): Promise<Window> {
  await sleep(windowMs / 4)
  const [startedAt, writes, bytes, before] = [performance.now(), writer.writes, link.bytes, process.cpuUsage()]
  await sleep(windowMs)
  const ms = performance.now() - startedAt
  const { user, system } = process.cpuUsage(before)
  return { ms, cpu: (user + system) / 1000, writes: writer.writes - writes, bytes: link.bytes - bytes }
}

/** What sending costs the writer, in one window. */
interface Cost {
  /** CPU time of sending that a thread needs when the link is full, in percent: a writer that shares the thread loses as much of its turns. */
  readonly cpuPercent: number
  /** Percent of its pace that the writer lost, as the clock has it: on a machine that is busy, what the others take as well. */
  readonly wallPercent: number
}

/**
 * Looks at the writer while blocks are sent for the first time. The link is halted every other window, and each window in which it goes is compared
 * with the one before and the one behind, so that a machine that is busy with something else slows both kinds alike. The migration is then
 * given up: it could send no more than what the writer changes.
 */
async function costs(size: number, windowMs: number, windows: number): Promise<Cost[]> {
  const source = filledDisk(size)
  const destination = new MemoryStorage(size)
  const link = new LinkedDisk(destination)
  const monitor = new VolatilityMonitor(source, BLOCK_SIZE)
  const { local, remote } = createDirtyTracker(monitor, BLOCK_SIZE)
  const writer = new SteadyWriter(local)
  const running = writer.run()
  const end = new AbortController()
  try {
    link.halt()
    const moving = migrateLive({
      source: remote,
      destination: link,
      order: monitor,
      verify: 'root',
      signal: end.signal,
      // A look at a shorter rest must not end it.
      maxPauseMs: 0,
      maxRounds: Number.POSITIVE_INFINITY,
    })
    moving.catch(() => {}) // Looked at below.
    const found: Cost[] = []
    for (let before = await look(writer, link, windowMs); found.length < windows; ) {
      link.goOn()
      const busy = await look(writer, link, windowMs)
      link.halt()
      const after = await look(writer, link, windowMs)
      const pace = (before.writes + after.writes) / (before.ms + after.ms)
      const perWrite = (before.cpu + after.cpu) / (before.writes + after.writes)
      const perByte = (busy.cpu - busy.writes * perWrite) / Math.max(1, busy.bytes)
      found.push({
        cpuPercent: perByte * LINK_BYTES_PER_MS * 100,
        wallPercent: (1 - busy.writes / busy.ms / pace) * 100,
      })
      before = after
    }
    end.abort()
    link.goOn()
    const error = await moving.catch((error: unknown) => error)
    if ((error as { code?: string }).code !== 'ABORTED') throw error
    return found
  } finally {
    end.abort()
    link.goOn()
    writer.stop()
    local.unlock()
    await running
    await source.close()
    await destination.close()
  }
}

async function measure(toy: boolean): Promise<BenchmarkResult> {
  const all: Cost[] = []
  const values: number[] = []
  for (let run = toy ? 0 : -1; run < (toy ? 1 : 5); run++) {
    collectGarbage()
    const found = await costs(toy ? 16 * MIB : 384 * MIB, toy ? 40 : 50, toy ? 2 : run < 0 ? 10 : 40)
    if (run < 0) continue
    all.push(...found)
    values.push(median(found.map(({ cpuPercent }) => cpuPercent)))
  }
  return {
    value: median(all.map(({ cpuPercent }) => cpuPercent)),
    unit: '%',
    limit: null,
    ratio: null,
    runs: all.length,
    // In points: over a median that is nearly nothing it would say nothing.
    spread: (Math.max(...values) - Math.min(...values)) / 100,
    note:
      `of the time of the thread that the writer shares with a full link, median of ${all.length} windows, of each migration ` +
      `${values.map((value) => value.toFixed(1)).join(', ')} %; by the clock the writer lost ` +
      `${median(all.map(({ wallPercent }) => wallPercent)).toFixed(1)} %; link ${LINK_BYTES_PER_MS / 1000} MB/s, writer half of it`,
  }
}

export const benchmarks: Benchmark[] = [
  { name: 'writer-slowdown', environment: 'node', run: ({ toy }) => measure(toy) },
]
