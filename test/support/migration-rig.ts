import { type Random, seededRandom } from '../../src/async/random.ts'
import { type LiveMigrationOptions, migrateLive } from '../../src/migration/migrate-live.ts'
import { Migrator } from '../../src/migration/migrator.ts'
import type { MigratorConfig } from '../../src/migration/migrator-config.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import type { Lockable, LockState } from '../../src/modules/lockable.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import type { BlockOrder } from '../../src/orders/block-order.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import type { TrackingStorageProvider } from '../../src/storage/tracking-provider.ts'
import { FlakyStorage } from './flaky-storage.ts'
import { HoleyStorage } from './holey-storage.ts'
import { SlowStorage } from './slow-storage.ts'
import { VirtualClock } from './virtual-clock.ts'

/**
 * Which way blocks take: `synchronous` both ends answer at once; `asynchronous` both are slow, tear and reorder; `holey` the same, and the
 * source knows its holes.
 */
export type Way = 'synchronous' | 'asynchronous' | 'holey'

/** Every {@link Way}, for tests that must hold on each. */
export const WAYS: readonly Way[] = ['synchronous', 'asynchronous', 'holey']

/** What a rig is made of. */
export interface RigOptions {
  readonly way?: Way
  readonly blockSize?: number
  /** Bytes; default 20 blocks and a short one. */
  readonly size?: number
  readonly seed?: number
  /** Milliseconds that pass with each look at the clock: without, the synchronous way never yields. Default 0.5. */
  readonly tickMs?: number
  /** Longest latency of a slow call; default 4. */
  readonly slowMs?: number
  /** Default: noise, with zeroes in every third block or so. */
  readonly content?: Uint8Array
}

/** A source with a tracker and faults beneath it, a destination with faults, and the clock both live by. */
export interface Rig {
  readonly clock: VirtualClock
  readonly random: Random
  readonly blockSize: number
  readonly blocks: number
  /** The faults of the source, beneath the tracker. */
  readonly source: FlakyStorage
  readonly local: Lockable
  readonly remote: TrackingStorageProvider
  readonly destination: FlakyStorage
  readonly order: AnyBlockOrder
  sourceBytes(): Uint8Array
  destinationBytes(): Uint8Array
  /** Numbers of the blocks that differ. */
  differing(): number[]
  migrator(config?: Partial<MigratorConfig>, order?: BlockOrder): Migrator
  /** Options of a live migration over this rig; pauses of any length are accepted. */
  live(options?: Partial<LiveMigrationOptions>): LiveMigrationOptions
  close(): Promise<void>
}

export function migrationRig(options: RigOptions = {}): Rig {
  const { way = 'synchronous', blockSize = 512, seed = 1, tickMs = 0.5, slowMs = 4 } = options
  const size = options.content?.length ?? options.size ?? 20 * blockSize + 100
  const blocks = Math.ceil(size / blockSize)
  const random = seededRandom(seed)
  const clock = new VirtualClock({ tickMs })
  const sourceDisk = new MemoryStorage(size)
  const destinationDisk = new MemoryStorage(size)
  sourceDisk.writeAtSync(options.content ?? mixedContent(size, blockSize, random), 0)
  const latencyMs = () => random() * slowMs
  const slow = { clock, random, latencyMs }
  const slowly = (disk: StorageProvider) => (way === 'synchronous' ? disk : new SlowStorage(disk, slow))
  const source = new FlakyStorage(slowly(way === 'holey' ? new HoleyStorage(sourceDisk, blockSize) : sourceDisk))
  const destination = new FlakyStorage(slowly(destinationDisk))
  const { local, remote } = createDirtyTracker(source, blockSize)
  const order = new AnyBlockOrder(blocks)
  order.addAll()
  const bytesOf = (disk: MemoryStorage) => {
    const bytes = new Uint8Array(size)
    disk.readAtSync(bytes, 0)
    return bytes
  }
  const config = { blockSize, clock, runBytes: 4 * blockSize, concurrency: { any: 4 } }
  return {
    clock,
    random,
    blockSize,
    blocks,
    source,
    local,
    remote,
    destination,
    order,
    sourceBytes: () => bytesOf(sourceDisk),
    destinationBytes: () => bytesOf(destinationDisk),
    differing: () => differingBlocks(bytesOf(sourceDisk), bytesOf(destinationDisk), blockSize),
    migrator: (more, other) => new Migrator(remote, destination, other ?? order, { ...config, ...more }),
    live: (more) => {
      const { blockSize: _, ...rest } = config
      return { ...rest, source: remote, destination, maxPauseMs: Number.POSITIVE_INFINITY, ...more }
    },
    close: async () => {
      await sourceDisk.close()
      await destinationDisk.close()
    },
  }
}

/**
 * Fails unless the source goes on as if nothing had happened: it is unlocked, unclaimed, takes writes, and a migration from it to the healed
 * destination succeeds.
 */
export async function expectUsable(rig: Rig): Promise<void> {
  rig.source.plan = undefined
  rig.destination.plan = undefined
  expectState(rig, 'open')
  await rig.local.writeAt(Uint8Array.of(1, 2, 3), rig.blockSize - 1)
  const { rounds } = await migrateLive(rig.live())
  if (rounds < 1) throw new Error('there was no last round')
  if (rig.differing().length > 0) throw new Error(`blocks ${rig.differing()} differ after a later migration`)
  expectState(rig, 'locked')
  rig.local.unlock()
}

function expectState({ local }: Rig, state: LockState): void {
  if (local.state !== state) throw new Error(`the source should be ${state} and is ${local.state}`)
}

/** Noise with blocks of zeroes here and there, two of them always. */
export function mixedContent(size: number, blockSize: number, random: Random): Uint8Array {
  const content = new Uint8Array(size)
  for (let at = 0; at < size; at += blockSize) {
    if (random() < 0.3) continue
    const start = Math.floor(random() * PATTERN.length) % (PATTERN.length - blockSize)
    content.set(PATTERN.subarray(start, start + Math.min(blockSize, size - at)), at)
  }
  content.fill(0, blockSize, 3 * blockSize)
  return content
}

/** Bytes that are never zero, to cut content from. */
const PATTERN = Uint8Array.from({ length: 2 ** 18 }, (_, index) => 1 + ((index * 13 + (index >> 8)) % 255))

/** Numbers of the blocks in which two disks differ. */
export function differingBlocks(first: Uint8Array, second: Uint8Array, blockSize: number): number[] {
  const found: number[] = []
  for (let at = 0; at < first.length; at += blockSize) {
    const end = Math.min(at + blockSize, first.length)
    if (Buffer.compare(first.subarray(at, end), second.subarray(at, end)) !== 0) found.push(at / blockSize)
  }
  return found
}
