import { type ErrorCode, StorageError } from '../../src/errors/storage-error.ts'
import type { Extent, IoOptions, StorageProvider } from '../../src/storage/provider.ts'
import { clipLength } from '../../src/storage/range.ts'
import type { Choices } from './choices.ts'
import { ENDED, type Machine } from './machine.ts'

/** Something that goes wrong with the next calls of one kind. */
export interface DiskFault {
  readonly kind:
    | 'read fails'
    | 'write fails'
    | 'flush fails'
    | 'short read'
    | 'short write'
    | 'torn write'
    | 'full'
    | 'slow'
    | 'corrupt write'
    | 'lost write'
  /** Calls it meets. */
  calls: number
}

/** How a disk answers. */
export interface DiskTraits {
  /** Longest time of a call, in milliseconds; 0 answers in the next step. */
  readonly latencyMs: number
  /** Has `zeroAt`, `extents`, and synchronous twins. */
  readonly zero: boolean
  readonly sparse: boolean
  readonly synchronous: boolean
}

interface Unflushed {
  readonly offset: number
  readonly bytes: Uint8Array
}

/** Power fails between sectors: what was under way or not flushed is there sector by sector, or not. */
export const SECTOR_BYTES = 64

/**
 * A disk that stays when the process that uses it is killed. It keeps no order between calls under way; bytes move at two moments within
 * a call, so that reads and writes tear. What was written and not flushed may be lost with the power.
 */
export class HardwareDisk {
  readonly size: number
  readonly name: string
  /** What a read returns now. */
  readonly bytes: Uint8Array
  /** What certainly survives the power. */
  readonly durable: Uint8Array
  readonly faults: DiskFault[] = []
  /** What calls have met so far that made them go wrong. */
  readonly struck: DiskFault['kind'][] = []
  /** Called when a write has taken effect, or a flush, and before its caller is told. */
  onDone: ((call: 'write' | 'flush') => void) | undefined
  /** Moment of the last write that took effect, in steps. */
  writtenAt = -1
  #unflushed: Unflushed[] = []
  /** Writes that are durable, or gone. */
  #settled = 0
  readonly #choices: Choices
  readonly #traits: DiskTraits

  constructor(name: string, size: number, options: { choices: Choices; traits: DiskTraits }) {
    this.name = name
    this.size = size
    this.bytes = new Uint8Array(size)
    this.durable = new Uint8Array(size)
    this.#choices = options.choices
    this.#traits = options.traits
  }

  /** Puts content in place that was always there. */
  fill(bytes: Uint8Array, offset: number): void {
    this.bytes.set(bytes, offset)
    this.durable.set(bytes, offset)
  }

  /** The power fails: of what was not flushed, any part may be gone. */
  losePower(): void {
    const after = this.durable.slice()
    for (const { offset, bytes } of this.#unflushed) {
      const fate = this.#choices.below(3)
      if (fate === 0) after.set(bytes, offset)
      if (fate !== 1) continue
      for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
        if (this.#choices.below(2) === 0) after.set(bytes.subarray(at, at + SECTOR_BYTES), offset + at)
      }
    }
    this.bytes.set(after)
    this.durable.set(after)
    this.#settled += this.#unflushed.length
    this.#unflushed = []
  }

  /** The disk as a process sees it. */
  open(machine: Machine): StorageProvider {
    return new DiskFace(this, machine, this.#traits)
  }

  /** @internal */
  delay(): number {
    const { latencyMs } = this.#traits
    const slow = this.take('slow') ? 200 : 1
    return latencyMs === 0 ? 0 : this.#choices.below(latencyMs + 1) * slow
  }

  /** @internal Meets a fault of one of these kinds. */
  take(...kinds: DiskFault['kind'][]): DiskFault['kind'] | undefined {
    const fault = this.faults.find((fault) => kinds.includes(fault.kind))
    if (!fault) return undefined
    if (fault.kind !== 'slow') this.struck.push(fault.kind)
    if (--fault.calls <= 0) this.faults.splice(this.faults.indexOf(fault), 1)
    return fault.kind
  }

  /** @internal How much of so many bytes, in sectors, and less than all. */
  part(length: number): number {
    return this.#choices.below(Math.ceil(length / SECTOR_BYTES)) * SECTOR_BYTES
  }

  /** @internal */
  put(bytes: Uint8Array, offset: number, step: number): void {
    if (bytes.length === 0) return
    this.bytes.set(bytes, offset)
    this.writtenAt = step
    this.#unflushed.push({ offset, bytes: bytes.slice() })
  }

  /** @internal What a flush called now is for: all writes that have taken effect. */
  mark(): number {
    return this.#settled + this.#unflushed.length
  }

  /** @internal Makes writes durable up to a mark. */
  settle(mark: number): void {
    const count = Math.max(0, mark - this.#settled)
    this.#settled += count
    for (const { offset, bytes } of this.#unflushed.splice(0, count)) this.durable.set(bytes, offset)
  }
}

/** One process's handle of a disk. */
class DiskFace implements StorageProvider {
  readonly size: number
  readonly #disk: HardwareDisk
  readonly #machine: Machine
  #closed = false
  zeroAt?: (offset: number, length: number) => Promise<number>
  extents?: (offset: number, length: number) => Promise<readonly Extent[]>
  readAtSync?: (target: Uint8Array, offset: number) => number
  writeAtSync?: (data: Uint8Array, offset: number) => number

  constructor(disk: HardwareDisk, machine: Machine, traits: DiskTraits) {
    this.size = disk.size
    this.#disk = disk
    this.#machine = machine
    if (traits.zero) this.zeroAt = (offset, length) => this.#store(new Uint8Array(this.#check(offset, length)), offset)
    if (traits.sparse) this.extents = (offset, length) => this.#extents(offset, length)
    if (!traits.synchronous) return
    this.readAtSync = (target, offset) => {
      const length = this.#check(offset, target.length)
      if (disk.take('read fails')) throw failure('READ_FAILED', offset)
      const got = disk.take('short read') ? disk.part(length) : length
      target.set(disk.bytes.subarray(offset, offset + got))
      return got
    }
    this.writeAtSync = (data, offset) => {
      const length = this.#check(offset, data.length)
      const fault = disk.take(...WRITE_FAULTS)
      const [bytes, count] = this.#effect(data.subarray(0, length), fault)
      disk.put(bytes, offset, machine.scheduler.steps)
      if (FAILING.has(fault)) throw failure(fault === 'full' ? 'QUOTA_EXCEEDED' : 'WRITE_FAILED', offset)
      return count
    }
  }

  async readAt(target: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const length = this.#check(offset, target.length)
    const fault = this.#disk.take('read fails', 'short read')
    const got = fault ? this.#disk.part(length) : length
    const half = Math.floor(got / 2 / SECTOR_BYTES) * SECTOR_BYTES
    await this.#pass(`read ${offset}+${length}`, options?.signal)
    const take = (from: number, to: number) => target.set(this.#disk.bytes.subarray(offset + from, offset + to), from)
    take(0, half)
    if (half > 0) await this.#pass(`reads on ${offset}+${length}`, options?.signal)
    take(half, got)
    if (fault === 'read fails') throw failure('READ_FAILED', offset)
    return got
  }

  async writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const length = this.#check(offset, data.length)
    return this.#store(data.subarray(0, length), offset, options?.signal)
  }

  async flush(): Promise<void> {
    this.#check(0, 0)
    const fault = this.#disk.take('flush fails')
    const mark = this.#disk.mark()
    await this.#pass('flush', undefined)
    if (fault) throw failure('FLUSH_FAILED', 0)
    this.#disk.settle(mark)
    this.#disk.onDone?.('flush')
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  cancelWrites(): void {}

  async #store(data: Uint8Array, offset: number, signal?: AbortSignal): Promise<number> {
    const fault = this.#disk.take(...WRITE_FAULTS)
    const [bytes, count] = this.#effect(data, fault)
    const half = Math.floor(bytes.length / 2 / SECTOR_BYTES) * SECTOR_BYTES
    const { scheduler } = this.#machine
    // A kill leaves the sectors that were there by then.
    await this.#pass(`write ${offset}+${data.length}`, signal)
    this.#disk.put(bytes.subarray(0, half), offset, scheduler.steps)
    await this.#pass(`writes on ${offset}+${data.length}`, undefined)
    this.#disk.put(bytes.subarray(half), offset + half, scheduler.steps)
    this.#disk.onDone?.('write')
    // Full is full at once; anything else shows only when it is over.
    if (FAILING.has(fault)) throw failure(fault === 'full' ? 'QUOTA_EXCEEDED' : 'WRITE_FAILED', offset)
    return count
  }

  /** What of a write takes effect, and what its caller is told. */
  #effect(data: Uint8Array, fault: DiskFault['kind'] | undefined): [Uint8Array, number] {
    if (fault === undefined) return [data, data.length]
    if (fault === 'corrupt write' && data.length > 0) {
      const wrong = data.slice()
      wrong[wrong.length >> 1]! ^= 0x55
      return [wrong, data.length]
    }
    if (fault === 'lost write') return [data.subarray(0, 0), data.length]
    const part = fault === 'full' || fault === 'write fails' ? 0 : this.#disk.part(data.length)
    return [data.subarray(0, part), part]
  }

  async #extents(offset: number, length: number): Promise<readonly Extent[]> {
    const clipped = this.#check(offset, length)
    await this.#pass(`extents ${offset}+${length}`, undefined)
    const extents: { offset: number; length: number }[] = []
    for (let at = offset; at < offset + clipped; at++) {
      if (this.#disk.bytes[at] === 0) continue
      const last = extents.at(-1)
      if (last && last.offset + last.length === at) last.length++
      else extents.push({ offset: at, length: 1 })
    }
    return extents
  }

  #check(offset: number, length: number): number {
    if (this.#closed) throw new StorageError('CLOSED')
    return clipLength(this.size, offset, length)
  }

  #pass(label: string, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new StorageError('ABORTED', undefined, { cause: signal.reason }))
      const gone = () => reject(new StorageError('CLOSED', ENDED))
      this.#machine.later(this.#disk.delay(), `${this.#disk.name}: ${label}`, resolve, gone)
    })
  }
}

const WRITE_FAULTS = ['write fails', 'short write', 'torn write', 'full', 'corrupt write', 'lost write'] as const
const FAILING: ReadonlySet<DiskFault['kind'] | undefined> = new Set<DiskFault['kind']>([
  'write fails',
  'torn write',
  'full',
])

function failure(code: ErrorCode, offset: number): StorageError {
  return new StorageError(code, undefined, { context: { offset } })
}
