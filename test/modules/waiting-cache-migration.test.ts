import { describe, expect, it } from 'vitest'
import { type Random, seededRandom } from '../../src/async/random.ts'
import { errorCode } from '../../src/errors/storage-error.ts'
import { Migrator } from '../../src/migration/migrator.ts'
import type { MigratorConfig } from '../../src/migration/migrator-config.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import { createWaitingCache } from '../../src/modules/waiting-cache.ts'
import type { BlockRequests } from '../../src/modules/waiting-cache-waits.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import { PriorityBlockOrder } from '../../src/orders/priority-block-order.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import { byChance, FlakyStorage } from '../support/flaky-storage.ts'
import { SlowStorage } from '../support/slow-storage.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const BLOCK = 512
const BLOCKS = 61
const SIZE = BLOCKS * BLOCK - 100

/** What `needAt` and `dontNeedAt` do to an order: how a source that is asked behaves. */
function requestsTo(order: PriorityBlockOrder): BlockRequests {
  const each = (visit: (block: number) => void) => (offset: number, length: number) => {
    for (let block = offset / BLOCK; block * BLOCK < offset + length; block++) visit(block)
  }
  return { needAt: each((block) => order.prioritise(block)), dontNeedAt: each((block) => order.remove(block)) }
}

/** A source of blocks that are filled with their version, on its way to a waiting cache. */
class Move {
  readonly clock = new VirtualClock()
  readonly random: Random
  readonly sourceDisk = new MemoryStorage(SIZE)
  readonly destinationDisk = new MemoryStorage(SIZE)
  readonly destination: FlakyStorage
  readonly tracker
  readonly cache
  readonly order = new PriorityBlockOrder(new AnyBlockOrder(BLOCKS))
  /** Blocks in the order in which they were stored. */
  readonly arrivals: number[] = []
  /** The version of each block that the source has acknowledged, and the one that every read must show at least. */
  readonly versions = new Uint8Array(BLOCKS).fill(1)
  readonly needed = new Uint8Array(BLOCKS).fill(1)
  writing = true
  waits = 0

  constructor(seed: number) {
    this.random = seededRandom(seed)
    const slow = { clock: this.clock, random: this.random, latencyMs: () => this.random() * 4 }
    this.sourceDisk.writeAtSync(new Uint8Array(SIZE).fill(1), 0)
    this.destination = new FlakyStorage(new SlowStorage(this.destinationDisk, slow))
    this.tracker = createDirtyTracker(new SlowStorage(this.sourceDisk, slow), BLOCK)
    this.cache = createWaitingCache(this.destination, BLOCK, requestsTo(this.order))
    this.order.addAll()
  }

  migrator(config: Partial<MigratorConfig> = {}): Migrator {
    return new Migrator(this.tracker.remote, this.cache.remote, this.order, {
      blockSize: BLOCK,
      runBytes: 2 * BLOCK,
      concurrency: { any: 3 },
      clock: this.clock,
      blockHandler: (start, count) => {
        for (let block = start; block < start + count; block++) this.arrivals.push(block)
      },
      ...config,
    })
  }

  /** Writes to the source, one whole block after the other, until told to stop. */
  async write(rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      const block = Math.floor(this.random() * BLOCKS)
      const version = this.versions[block]! + 1
      await this.tracker.local.writeAt(this.#filled(block, version), block * BLOCK)
      this.versions[block] = version
      await this.clock.sleep(this.random() * 3)
    }
    this.writing = false
  }

  /** Reads at the destination as long as `going`, and checks that no byte is older than it may be. */
  async read(going: () => boolean): Promise<void> {
    while (going()) {
      const first = Math.floor(this.random() * BLOCKS)
      const offset = Math.min(first * BLOCK + Math.floor(this.random() * BLOCK), SIZE - 1)
      const target = new Uint8Array(Math.min(Math.ceil(this.random() * 3 * BLOCK), SIZE - offset))
      const needed = this.needed.slice()
      const reading = this.cache.local.readAt(target, offset)
      if (this.cache.waitingCalls > 0) this.waits++
      await reading
      for (let index = 0; index < target.length; index++) {
        const block = Math.floor((offset + index) / BLOCK)
        // A write that is not acknowledged yet may have been read and moved.
        if (target[index]! >= needed[block]! && target[index]! <= this.versions[block]! + 1) continue
        expect.fail(`block ${block} reads version ${target[index]}, not ${needed[block]} to ${this.versions[block]}`)
      }
      await this.clock.sleep(this.random() * 2)
    }
  }

  /** One round over the dirty blocks; false, with the writer locked out, when there is none. */
  async round(migrator: Migrator): Promise<boolean> {
    const dirty = await migrator.getLatestDirty()
    if (!dirty) return false
    const list = dirty.clone()
    for (let block = list.nextSet(0); block >= 0; block = list.nextSet(block + 1)) {
      this.needed[block] = this.versions[block]!
    }
    // First into the order: who waits asks again at once, and an order knows only what is in it.
    migrator.takeDirty(dirty)
    this.cache.remote.invalidate(list)
    list.free()
    await migrator.migrate(this.order.available)
    return true
  }

  differing(): number[] {
    const [from, to] = [new Uint8Array(SIZE), new Uint8Array(SIZE)]
    this.sourceDisk.readAtSync(from, 0)
    this.destinationDisk.readAtSync(to, 0)
    const blocks = new Set<number>()
    for (let at = 0; at < SIZE; at++) if (from[at] !== to[at]) blocks.add(Math.floor(at / BLOCK))
    return [...blocks]
  }

  async close(): Promise<void> {
    await this.cache.local.close()
    await this.tracker.local.close()
  }

  #filled(block: number, version: number): Uint8Array {
    return new Uint8Array(Math.min(BLOCK, SIZE - block * BLOCK)).fill(version)
  }
}

describe('a disk that is used at its destination while it moves', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('serves readers and ends equal, with the source locked; seed %i', async (seed) => {
    const move = new Move(seed)
    const migrator = move.migrator()
    let moving = true
    const writer = move.write(150)
    const readers = [1, 2, 3].map(() => move.read(() => moving))
    await migrator.migrate(BLOCKS)
    for (;;) {
      if (await move.round(migrator)) continue
      if (!move.writing) break
      migrator.unlock()
      await move.clock.sleep(1)
    }
    await migrator.waitForCompletion()
    await move.cache.whenComplete()
    moving = false
    await Promise.all([writer, ...readers])
    expect(move.tracker.local.state).toBe('locked')
    expect(move.differing()).toEqual([])
    expect([move.cache.missingBlocks, move.cache.waitingCalls]).toEqual([0, 0])
    expect(move.waits).toBeGreaterThan(10)
    await move.close()
  })

  it('gets a block that it asks for before its turn, in the first pass and in a dirty round (C1)', async () => {
    const move = new Move(9)
    const migrator = move.migrator({ concurrency: { any: 1 }, runBytes: BLOCK })
    const passing = migrator.migrate(BLOCKS).then(() => migrator.waitForCompletion())
    await move.clock.sleep(10)
    const before = move.arrivals.length
    await move.cache.local.readAt(new Uint8Array(3 * BLOCK), 50 * BLOCK)
    expect(move.arrivals.slice(before, before + 5)).toEqual(expect.arrayContaining([50, 51, 52]))
    await passing
    for (let block = 0; block < BLOCKS; block++) await move.tracker.local.writeAt(new Uint8Array(10), block * BLOCK)
    const again = move.arrivals.length
    const round = move.round(migrator).then(() => migrator.waitForCompletion())
    await move.clock.sleep(10)
    const since = move.arrivals.length
    expect(since).toBeLessThan(again + 20)
    await move.cache.local.writeAt(new Uint8Array(10), 58 * BLOCK + 5)
    expect(move.arrivals.slice(since, since + 3)).toContain(58)
    await round
    await move.close()
  })

  it('moves no block that was written here first, and keeps what was written', async () => {
    const move = new Move(10)
    await move.cache.local.writeAt(new Uint8Array(2 * BLOCK).fill(77), 20 * BLOCK)
    const migrator = move.migrator()
    await migrator.migrate(BLOCKS)
    await migrator.waitForCompletion()
    expect(migrator.blocksMoved).toBe(BLOCKS - 2)
    expect(move.differing()).toEqual([20, 21])
    const kept = new Uint8Array(2 * BLOCK)
    await move.cache.local.readAt(kept, 20 * BLOCK)
    expect(kept).toEqual(new Uint8Array(2 * BLOCK).fill(77))
    expect(await move.round(migrator)).toBe(false)
    expect([move.cache.missingBlocks, move.tracker.local.state]).toEqual([0, 'locked'])
    await move.close()
  })

  it('keeps every write of an application that writes here while blocks arrive', async () => {
    const move = new Move(11)
    const migrator = move.migrator()
    const moving = migrator.migrate(BLOCKS).then(() => migrator.waitForCompletion())
    const expected = new Uint8Array(SIZE).fill(1)
    const writes = Array.from({ length: 40 }, async (_, index) => {
      await move.clock.sleep(move.random() * 40)
      // Every one has bytes of its own, so that the order of the writes does not matter.
      const offset = Math.floor((index * SIZE) / 40)
      const data = new Uint8Array(Math.floor(SIZE / 40)).fill(100 + index)
      expected.set(data, offset)
      await move.cache.local.writeAt(data, offset)
    })
    await Promise.all([...writes, moving])
    const found = new Uint8Array(SIZE)
    await move.cache.local.readAt(found, 0)
    expect(found).toEqual(expected)
    await move.close()
  })

  it('survives a destination that fails now and then', async () => {
    const move = new Move(12)
    move.destination.plan = byChance(seededRandom(12), { write: 0.05 }, [{ effect: 0.5 }])
    const migrator = move.migrator()
    let moving = true
    const reader = move.read(() => moving)
    const writer = move.write(40)
    await migrator.migrate(BLOCKS)
    while ((await move.round(migrator)) || move.writing) {
      migrator.unlock()
      await move.clock.sleep(1)
    }
    await migrator.waitForCompletion()
    moving = false
    await Promise.all([reader, writer])
    expect([move.differing(), move.cache.missingBlocks]).toEqual([[], 0])
    expect(move.destination.faults).toBeGreaterThan(0)
    await move.close()
  })

  it('goes on with another migration after the first was lost, and sends nothing twice', async () => {
    const move = new Move(13)
    const abort = new AbortController()
    const first = move.migrator({ signal: abort.signal })
    const moving = first.migrate(BLOCKS).then(() => first.waitForCompletion())
    const reading = move.cache.local.readAt(new Uint8Array(SIZE), 0).catch((error: unknown) => error)
    await move.clock.sleep(20)
    abort.abort()
    await expect(moving).rejects.toMatchObject({ code: 'ABORTED' })
    move.cache.fail()
    expect(errorCode(await reading)).toBe('PEER_LOST')
    await move.clock.sleep(20)
    const present = move.cache.presentBlocks()
    const missing = BLOCKS - present.count()
    expect([missing, move.order.available]).toEqual([move.cache.missingBlocks, missing])
    present.free()
    const second = move.migrator()
    move.cache.resume()
    const all = new Uint8Array(SIZE)
    const again = move.cache.local.readAt(all, 0)
    await second.migrate(BLOCKS)
    await second.waitForCompletion()
    await again
    expect(second.blocksMoved).toBe(missing)
    expect(all).toEqual(new Uint8Array(SIZE).fill(1))
    await move.close()
  })
})
