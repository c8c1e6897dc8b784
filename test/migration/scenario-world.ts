import { type Random, seededRandom } from '../../src/async/random.ts'
import { errorCode, StorageError } from '../../src/errors/storage-error.ts'
import type { BlockFailure } from '../../src/migration/migration-error.ts'
import type { MigratorConfig } from '../../src/migration/migrator-config.ts'
import { createDirtyTracker } from '../../src/modules/dirty-tracker.ts'
import type { Lockable } from '../../src/modules/lockable.ts'
import { AnyBlockOrder } from '../../src/orders/any-block-order.ts'
import type { BlockOrder } from '../../src/orders/block-order.ts'
import { PriorityBlockOrder } from '../../src/orders/priority-block-order.ts'
import { VolatilityMonitor } from '../../src/orders/volatility-monitor.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import type { TrackingStorageProvider } from '../../src/storage/tracking-provider.ts'
import { anyOf, byChance, type Fault, FlakyStorage, onBlocks } from '../support/flaky-storage.ts'
import { HoleyStorage } from '../support/holey-storage.ts'
import { differingBlocks, mixedContent } from '../support/migration-rig.ts'
import { SlowStorage } from '../support/slow-storage.ts'
import { settled, VirtualClock } from '../support/virtual-clock.ts'
import { WriteHistory } from '../support/write-history.ts'
import type { Scenario } from './scenario.ts'

/** Ways to fail that both sides have. */
const FAULTS: readonly Fault[] = [
  { how: 'reject' },
  { how: 'reject', effect: 0.5 },
  { how: 'reject', effect: 1 },
  { how: 'throw' },
  { how: 'short', effect: 0.5 },
]

/** What a scenario says, built: disks, tracker, order, writers and the history of what they wrote. */
export class ScenarioWorld {
  readonly scenario: Scenario
  readonly clock: VirtualClock
  readonly size: number
  readonly local: Lockable
  readonly remote: TrackingStorageProvider
  readonly destination: FlakyStorage
  readonly history: WriteHistory
  readonly signal: AbortSignal
  order: BlockOrder
  readonly #random: Random
  readonly #source: FlakyStorage
  readonly #sourceDisk: MemoryStorage
  readonly #destinationDisk: MemoryStorage
  readonly #monitor: VolatilityMonitor | undefined
  readonly #controller = new AbortController()
  readonly #tasks: Promise<void>[] = []
  #calls = 0

  constructor(scenario: Scenario) {
    const { blockSize, blocks, seed } = scenario
    this.scenario = scenario
    this.signal = this.#controller.signal
    this.#random = seededRandom(seed)
    this.clock = new VirtualClock({ tickMs: scenario.tickMs })
    this.size = blocks * blockSize - Math.floor((blockSize * scenario.missing) / 1000)
    this.#sourceDisk = new MemoryStorage(this.size, { sparse: scenario.source === 'sparse' })
    this.#destinationDisk = new MemoryStorage(this.size, { sparse: scenario.destination === 'sparse' })
    const content = mixedContent(this.size, blockSize, this.#random)
    this.#sourceDisk.writeAtSync(content, 0)
    if (!scenario.fresh) this.#destinationDisk.writeAtSync(new Uint8Array(this.size).fill(0xee), 0)
    this.history = new WriteHistory(content)
    this.#source = new FlakyStorage(this.#dress(this.#sourceDisk, scenario.source))
    this.destination = new FlakyStorage(this.#dress(this.#destinationDisk, scenario.destination))
    this.#monitor = scenario.order.includes('volatility')
      ? new VolatilityMonitor(this.#source, blockSize, { clock: this.clock, halfLifeMs: 20 })
      : undefined
    const { local, remote } = createDirtyTracker(this.#monitor ?? this.#source, blockSize)
    this.local = local
    this.remote = remote
    this.order = this.newOrder()
    this.#plan()
  }

  /** An order of the scenario's kind with all blocks in it. */
  newOrder(): BlockOrder {
    const { blocks, order } = this.scenario
    const inner = this.#monitor ?? new AnyBlockOrder(blocks)
    inner.addAll()
    return order.startsWith('priority') ? new PriorityBlockOrder(inner) : inner
  }

  config(): MigratorConfig {
    const { blockSize, runBlocks, concurrency, fresh, putsBack } = this.scenario
    return {
      blockSize,
      runBytes: runBlocks * blockSize,
      concurrency: { any: concurrency },
      clock: this.clock,
      freshDestination: fresh,
      signal: this.signal,
      ...(putsBack ? { errorHandler: (failure: BlockFailure) => this.#putBack(failure) } : {}),
    }
  }

  /** Starts the writers, and who asks for blocks before their turn. */
  start(): void {
    for (let writer = 0; writer < this.scenario.writers; writer++) this.#tasks.push(this.#write())
    if (this.scenario.order.startsWith('priority')) this.#tasks.push(this.#prioritise())
  }

  /** Ends all faults. */
  heal(): void {
    this.#source.plan = undefined
    this.destination.plan = undefined
  }

  /** Throws unless source and destination hold the same, and what they may hold. The source must be locked. */
  async expectEqual(): Promise<void> {
    if (this.local.state !== 'locked') throw new Error(`the source is ${this.local.state} at the end`)
    await settled()
    const source = bytesOf(this.#sourceDisk)
    const blocks = differingBlocks(source, bytesOf(this.#destinationDisk), this.scenario.blockSize)
    if (blocks.length > 0) throw new Error(`blocks ${blocks} differ`)
    const wrong = this.history.wrong(source)
    if (wrong) throw new Error(`the source is wrong: ${wrong}`)
  }

  /** Throws unless the source is open and holds what it may. */
  async expectUnharmed(): Promise<void> {
    if (this.local.state !== 'open') throw new Error(`the source is ${this.local.state} after a failure`)
    await this.remote.lock!()
    await settled()
    const wrong = this.history.wrong(bytesOf(this.#sourceDisk))
    if (wrong) throw new Error(`the source is wrong after a failure: ${wrong}`)
    this.remote.unlock!()
  }

  destinationBytes(): Uint8Array {
    return bytesOf(this.#destinationDisk)
  }

  /** Lets the writers end, looks at the source once more, and gives the memory back. */
  async finish(): Promise<void> {
    this.remote.unlock!()
    await Promise.all(this.#tasks)
    const wrong = this.history.wrong(bytesOf(this.#sourceDisk))
    if (wrong) throw new Error(`the source is wrong in the end: ${wrong}`)
  }

  async close(): Promise<void> {
    await this.#sourceDisk.close()
    await this.#destinationDisk.close()
  }

  #dress(disk: MemoryStorage, kind: Scenario['source'] | Scenario['destination']): StorageProvider {
    const holey = kind.endsWith('holey') ? new HoleyStorage(disk, this.scenario.blockSize) : disk
    if (!kind.startsWith('slow')) return holey
    return new SlowStorage(holey, {
      clock: this.clock,
      random: this.#random,
      latencyMs: () => this.#random() * 6,
      hide: kind === 'slow-without-discard' ? ['zeroAt'] : [],
    })
  }

  #plan(): void {
    const { faults, corrupts, blocks, blockSize, abortAt } = this.scenario
    const chance = faults === 'none' ? 0 : faults === 'passing' ? 0.03 : 0.25
    const random = this.#random
    const counted = () => {
      if (++this.#calls === abortAt) this.#controller.abort()
      return undefined
    }
    const bad = Math.floor(random() * blocks)
    const full = new StorageError('QUOTA_EXCEEDED')
    this.#source.plan = anyOf(
      counted,
      byChance(random, { read: chance, write: chance, zero: chance, extents: chance }, FAULTS),
    )
    this.destination.plan = anyOf(
      counted,
      byChance(random, { write: chance, zero: chance, read: chance / 10, flush: chance / 10 }, FAULTS),
      byChance(random, { write: chance / 100 }, [{ error: full }]),
      ...(corrupts ? [byChance(random, { write: 0.1 }, [{ how: 'corrupt' as const }])] : []),
      ...(faults === 'heavy' ? [onBlocks('write', { blocks: [bad], blockSize })] : []),
    )
  }

  #putBack({ start, count }: BlockFailure): void {
    for (let block = start; block < start + count; block++) if (this.#random() < 0.7) this.order.add(block)
  }

  async #prioritise(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) {
      await this.clock.sleep(this.#random() * 3)
      const { order } = this
      if (order instanceof PriorityBlockOrder) order.prioritise(Math.floor(this.#random() * this.scenario.blocks))
    }
  }

  /** One program that writes all the time; some of its writes it does not wait for. */
  async #write(): Promise<void> {
    const under: Promise<unknown>[] = []
    for (let write = 0; write < this.scenario.writes; write++) {
      await this.clock.sleep(this.#random() * 8)
      const writing = this.#writeOnce()
      if (this.#random() < 0.3) under.push(writing)
      else await writing
    }
    await Promise.all(under)
  }

  async #writeOnce(): Promise<void> {
    const { local, history } = this
    const random = this.#random
    const longest = Math.min(this.size, random() < 0.8 ? this.scenario.blockSize : 3 * this.scenario.blockSize)
    const length = 1 + Math.floor(random() * longest)
    const offset = Math.floor(random() * (this.size - length + 1))
    const kind = random()
    if (kind < 0.2 && local.zeroAt) {
      await history.perform(offset, length, () => local.zeroAt!(offset, length), { zero: true })
    } else if (kind < 0.4 && local.writeAtSync) {
      const write = history.begin(offset, length)
      try {
        const count = local.writeAtSync(history.bytesOf(write), offset)
        history.end(write, count === length ? 'acknowledged' : 'failed')
      } catch (error) {
        // Refused by the gate it did not begin; refused by the disk it may have.
        if (errorCode(error) === 'LOCKED') history.withdraw(write)
        else history.end(write, 'failed')
      }
    } else if (kind < 0.5) {
      const controller = new AbortController()
      const writing = history.perform(offset, length, (bytes) =>
        local.writeAt(bytes, offset, { signal: controller.signal }),
      )
      await this.clock.sleep(random() * 4)
      controller.abort()
      await writing
    } else await history.perform(offset, length, (bytes) => local.writeAt(bytes, offset))
  }
}

function bytesOf(disk: MemoryStorage): Uint8Array {
  const bytes = new Uint8Array(disk.size)
  disk.readAtSync(bytes, 0)
  return bytes
}
