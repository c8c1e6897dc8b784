import type { LiveMigrationResult, MigrationStrategy } from '../../src/migration/live-options.ts'
import { migrateLive } from '../../src/migration/migrate-live.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import type { WriteTrace } from './write-traces.ts'

export const BLOCK_SIZE = 4096

/** Gigabit Ethernet. */
const LINK_BYTES_PER_MS = 125_000
const TRIP_MS = 1

/** What the program had written before the migration began, so that the order knows it. */
const WARM_UP_MS = 10_000

/** A disk that keeps one number for each block, the version of its content: disks of gigabytes cost nothing. */
class VersionDisk implements StorageProvider {
  readonly size: number
  readonly versions: Uint32Array

  constructor(blocks: number) {
    this.size = blocks * BLOCK_SIZE
    this.versions = new Uint32Array(blocks).fill(1)
  }

  async readAt(target: Uint8Array, offset: number): Promise<number> {
    const view = new DataView(target.buffer, target.byteOffset)
    for (let at = 0; at < target.length; at += BLOCK_SIZE)
      view.setUint32(at, this.versions[(offset + at) / BLOCK_SIZE]!)
    return target.length
  }

  async writeAt(data: Uint8Array, offset: number): Promise<number> {
    const view = new DataView(data.buffer, data.byteOffset)
    for (let at = 0; at < data.length; at += BLOCK_SIZE) this.versions[(offset + at) / BLOCK_SIZE] = view.getUint32(at)
    return data.length
  }

  async flush(): Promise<void> {}
  async close(): Promise<void> {}
  cancelWrites(): void {}
}

/** A {@link VersionDisk} behind a link of a fixed rate: writes go one after the other and are answered a round trip later. */
class FarDisk extends VersionDisk {
  readonly #clock: VirtualClock
  #freeAt = 0

  constructor(blocks: number, clock: VirtualClock) {
    super(blocks)
    this.versions.fill(0)
    this.#clock = clock
  }

  override async writeAt(data: Uint8Array, offset: number): Promise<number> {
    const now = this.#clock.now()
    this.#freeAt = Math.max(now, this.#freeAt) + data.length / LINK_BYTES_PER_MS
    await this.#clock.sleep(this.#freeAt - now + TRIP_MS)
    return super.writeAt(data, offset)
  }

  override flush(): Promise<void> {
    return this.#clock.sleep(TRIP_MS)
  }
}

/** How one move went. */
export interface VirtualMove {
  readonly result: LiveMigrationResult
  /** Bytes sent over the least any order could have sent. */
  readonly regret: number
}

/**
 * Moves a disk over a link of a fixed rate while a program writes, in virtual time; `share` is the rate at which blocks become dirty over that of
 * the link. Throws when the destination does not hold what the source held at the hand-over.
 *
 * The least: every block once. Who knows what will be written sends each block after its last write before the hand-over, and what changes at
 * that moment after it; at a dirty rate below that of the link this is always possible, whatever the trace.
 */
export async function virtualMove(trace: WriteTrace, share: number, strategy: MigrationStrategy): Promise<VirtualMove> {
  const clock = new VirtualClock()
  const source = new VersionDisk(trace.blocks)
  const destination = new FarDisk(trace.blocks, clock)
  const monitor = new VolatilityMonitor(source, BLOCK_SIZE, { clock })
  const { local, remote } = createDirtyTracker(monitor, BLOCK_SIZE)
  const block = new Uint8Array(BLOCK_SIZE)
  const view = new DataView(block.buffer)
  let version = 1
  let isOver = false
  const write = async () => {
    view.setUint32(0, ++version)
    await local.writeAt(block, trace.next() * BLOCK_SIZE)
  }
  const writesPerMs = (share * LINK_BYTES_PER_MS) / BLOCK_SIZE
  const writing = async (untilMs: number) => {
    const startedAt = clock.now()
    for (let due = 0, done = 0; !isOver && clock.now() < untilMs; ) {
      for (due = (clock.now() - startedAt) * writesPerMs; done < due && !isOver; done++) await write()
      await clock.sleep(1)
    }
  }
  await writing(WARM_UP_MS)
  const writer = writing(Number.POSITIVE_INFINITY)
  try {
    const result = await migrateLive({
      source: remote,
      destination,
      order: monitor,
      strategy,
      verify: 'none',
      clock,
      maxPauseMs: strategy === 'pre-copy' ? Number.POSITIVE_INFINITY : 500,
      handOver: () => clock.sleep(2 * TRIP_MS),
    })
    const wrong = source.versions.findIndex((version, index) => version !== destination.versions[index])
    if (wrong >= 0) throw new Error(`block ${wrong} of ${trace.name} is not at the destination as it was handed over`)
    return { result, regret: result.bytesMoved / source.size }
  } finally {
    isOver = true
    local.unlock()
    await writer
  }
}
