import { migrateLive } from '../../src/migration/migrate-live.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { StorageWrapper } from '../../src/storage/wrapper.ts'
import type { Benchmark, BenchmarkResult } from './benchmark.ts'
import { collectGarbage, median, spread } from './measure.ts'
import { filledDisk } from './move-disk.ts'

const MIB = 2 ** 20
const BLOCK_SIZE = 65536
const WRITE_SIZE = 4096
const LINK_BYTES_PER_MS = 100_000

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** A destination at the end of a link of a fixed rate that can be halted. */
class LinkedDisk extends StorageWrapper {
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

/** Writes and CPU milliseconds of a millisecond. */
interface Pace {
  readonly writes: number
  readonly cpu: number
}

/** The pace in a window of time, of which the first part is left out. */
async function paceOf(writer: SteadyWriter, windowMs: number): Promise<Pace> {
  await sleep(windowMs / 4)
  const [startedAt, writes, before] = [performance.now(), writer.writes, process.cpuUsage()]
  await sleep(windowMs)
  const ms = performance.now() - startedAt
  const { user, system } = process.cpuUsage(before)
  return { writes: (writer.writes - writes) / ms, cpu: (user + system) / 1000 / ms }
}

/**
 * Percent of its pace that the writer loses while blocks are sent. The link is halted every other window, so that a machine that is busy with
 * something else slows both kinds of windows alike. And the CPU time that sending takes, in percent of a thread.
 */
async function slowdown(size: number, windowMs: number): Promise<{ percent: number; cpuPercent: number }> {
  const source = filledDisk(size)
  const destination = new MemoryStorage(size)
  const link = new LinkedDisk(destination)
  const monitor = new VolatilityMonitor(source, BLOCK_SIZE)
  const { local, remote } = createDirtyTracker(monitor, BLOCK_SIZE)
  const writer = new SteadyWriter(local)
  const running = writer.run()
  let isOver = false
  try {
    const moving = migrateLive({
      source: remote,
      destination: link,
      order: monitor,
      strategy: 'auto',
      verify: 'root',
      lockerHandler: () => {
        isOver = true
        return remote.lock!()
      },
      unlockerHandler: () => remote.unlock!(),
      handOver: () => {},
    })
    const idle: Pace[] = []
    const busy: Pace[] = []
    while (!isOver) {
      const before = await paceOf(writer, windowMs)
      if (isOver && busy.length > 0) break
      link.halt()
      busy.push(before)
      idle.push(await paceOf(writer, windowMs))
      link.goOn()
    }
    await moving
    const middle = (paces: Pace[], kind: keyof Pace) => median(paces.map((pace) => pace[kind]))
    return {
      percent: (1 - middle(busy, 'writes') / middle(idle, 'writes')) * 100,
      cpuPercent: (middle(busy, 'cpu') - middle(idle, 'cpu')) * 100,
    }
  } finally {
    link.goOn()
    writer.stop()
    local.unlock()
    await running
    await source.close()
    await destination.close()
  }
}

async function measure(toy: boolean): Promise<BenchmarkResult> {
  const values: number[] = []
  const cpu: number[] = []
  for (let run = toy ? 0 : -1; run < (toy ? 1 : 5); run++) {
    collectGarbage()
    const { percent, cpuPercent } = await slowdown(toy ? 8 * MIB : 256 * MIB, toy ? 5 : 100)
    if (run < 0) continue
    values.push(percent)
    cpu.push(cpuPercent)
  }
  return {
    value: median(values),
    unit: '%',
    limit: null,
    ratio: null,
    runs: values.length,
    spread: Math.abs(spread(values)),
    note: `runs ${values.map((value) => value.toFixed(1)).join(', ')} %; sending takes ${median(cpu).toFixed(1)} % of the thread's time; link ${LINK_BYTES_PER_MS / 1000} MB/s, writer half of it`,
  }
}

export const benchmarks: Benchmark[] = [
  { name: 'writer-slowdown', environment: 'node', run: ({ toy }) => measure(toy) },
]
