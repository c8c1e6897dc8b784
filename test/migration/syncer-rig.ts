import { type Random, seededRandom } from '../../src/async/random.ts'
import { Syncer, type SyncerOptions } from '../../src/migration/syncer.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { FlakyStorage } from '../support/flaky-storage.ts'
import { SlowStorage } from '../support/slow-storage.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

export const BLOCK = 512

/** What a crash of the destination leaves: its content when the last flush that succeeded was asked for. */
class Flushed {
  readonly disk: MemoryStorage
  readonly image: Uint8Array

  constructor(size: number) {
    this.disk = new MemoryStorage(size)
    this.image = new Uint8Array(size)
  }

  readonly provider = (): StorageProvider => ({
    size: this.disk.size,
    readAt: (target, offset) => this.disk.readAt(target, offset),
    writeAt: (data, offset) => this.disk.writeAt(data, offset),
    zeroAt: (offset, length) => this.disk.zeroAt(offset, length),
    flush: async () => {
      const now = new Uint8Array(this.disk.size)
      this.disk.readAtSync(now, 0)
      this.image.set(now)
    },
    close: () => this.disk.close(),
    cancelWrites: () => {},
  })
}

/** A disk with a writer, its replica, and what was acknowledged. */
export class SyncerRig {
  readonly clock = new VirtualClock()
  readonly random: Random
  readonly size: number
  readonly source: MemoryStorage
  readonly flaky: { source: FlakyStorage; destination: FlakyStorage }
  readonly tracker
  readonly syncer: Syncer
  /** What the writer was told that it has written. */
  readonly shadow: Uint8Array
  readonly #flushed: Flushed
  /** Blocks of writes under way. */
  readonly #underWay = new Map<number, number>()

  constructor(options: Partial<SyncerOptions> & { seed?: number; blocks?: number; isSlow?: boolean } = {}) {
    const { seed = 1, blocks = 40, isSlow = false, ...rest } = options
    this.random = seededRandom(seed)
    this.size = (blocks - 1) * BLOCK + 77
    this.source = new MemoryStorage(this.size)
    this.shadow = new Uint8Array(this.size)
    for (let at = 0; at < this.size; at++)
      this.shadow[at] = at % (3 * BLOCK) < BLOCK ? 0 : Math.floor(this.random() * 256)
    this.source.writeAtSync(this.shadow, 0)
    this.#flushed = new Flushed(this.size)
    const latencyMs = () => this.random() * 20
    const slow = (storage: StorageProvider) =>
      isSlow ? new SlowStorage(storage, { clock: this.clock, latencyMs, random: this.random }) : storage
    this.flaky = {
      source: new FlakyStorage<StorageProvider>(slow(this.source)),
      destination: new FlakyStorage<StorageProvider>(slow(this.#flushed.provider())),
    }
    this.tracker = createDirtyTracker(this.flaky.source, BLOCK)
    this.syncer = new Syncer({
      source: this.tracker.remote,
      destination: this.flaky.destination,
      clock: this.clock,
      periodMs: 10,
      ...rest,
    })
  }

  get blocks(): number {
    return Math.ceil(this.size / BLOCK)
  }

  /** Writes something; what was acknowledged is then in the shadow. */
  async write(offset: number, length: number): Promise<void> {
    const data = new Uint8Array(length)
    // Now and then zeroes, of which a storage may think that they are there already.
    if (this.random() < 0.8) for (let at = 0; at < length; at++) data[at] = Math.floor(this.random() * 256)
    const blocks: number[] = []
    for (let block = Math.floor(offset / BLOCK); block * BLOCK < offset + length; block++) blocks.push(block)
    for (const block of blocks) this.#underWay.set(block, (this.#underWay.get(block) ?? 0) + 1)
    try {
      await this.tracker.local.writeAt(data, offset)
      this.shadow.set(data, offset)
    } finally {
      for (const block of blocks) this.#underWay.set(block, this.#underWay.get(block)! - 1)
    }
  }

  async writeAnywhere(): Promise<void> {
    const length = 1 + Math.floor(this.random() * 3 * BLOCK)
    await this.write(Math.floor(this.random() * (this.size - length)), length)
  }

  /** Looks whether each block that is called safe would survive the loss of this side now; returns how many there are. */
  check(): number {
    const { syncer } = this
    const safe = syncer.safeBlocks()
    let count = 0
    for (let block = 0; block < this.blocks; block++) {
      if (safe.test(block) !== syncer.isSafe(block)) throw new Error(`two words on block ${block}`)
      if (!safe.test(block)) continue
      count++
      // Its write has not ended: nobody was told anything.
      if ((this.#underWay.get(block) ?? 0) > 0) continue
      const range = [block * BLOCK, Math.min(this.size, (block + 1) * BLOCK)] as const
      const theirs = this.#flushed.image.subarray(...range)
      if (this.shadow.subarray(...range).some((byte, at) => byte !== theirs[at])) {
        throw new Error(`block ${block} is called safe, and its copy is another`)
      }
    }
    safe.free()
    return count
  }

  /** The copy that a crash would leave. */
  get copy(): Uint8Array {
    return this.#flushed.image
  }
}
