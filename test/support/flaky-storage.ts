import type { Random } from '../../src/async/random.ts'
import { type ErrorCode, StorageError } from '../../src/errors/storage-error.ts'
import type { Extent, IoOptions, StorageProvider } from '../../src/storage/provider.ts'
import { StorageWrapper } from '../../src/storage/wrapper.ts'

/** What is asked of a storage; the synchronous twins count as the same. */
export type Operation = 'read' | 'write' | 'zero' | 'extents' | 'flush'

/** One call as a plan of faults sees it. */
export interface Call {
  readonly operation: Operation
  /** The how-many-th call of this operation it is, from 1. */
  readonly number: number
  readonly offset: number
  readonly length: number
}

/** What goes wrong with a call. */
export interface Fault {
  /**
   * `reject` (default) fails the promise, `throw` throws before there is one, `short` reports fewer bytes than asked as success,
   * `corrupt` reports success and has stored something else, `lose` reports success and has stored nothing.
   */
  readonly how?: 'reject' | 'throw' | 'short' | 'corrupt' | 'lose'
  /** Default: `READ_FAILED`, `WRITE_FAILED` or `FLUSH_FAILED`. */
  readonly error?: unknown
  /** Share of the bytes that take effect all the same, from the start on. Default: 0. */
  readonly effect?: number
}

/** Decides about each call, in the order they come. */
export type FaultPlan = (call: Call) => Fault | undefined

/** A storage that fails as told, and otherwise is the one inside. Counts calls. */
export class FlakyStorage<Inner extends StorageProvider = StorageProvider> extends StorageWrapper<Inner> {
  /** May be exchanged at any time; undefined heals the storage. */
  plan: FaultPlan | undefined
  readonly calls: Record<Operation, number> = { read: 0, write: 0, zero: 0, extents: 0, flush: 0 }
  /** Faults that there have been. */
  faults = 0
  zeroAt?: (offset: number, length: number) => Promise<number>
  writeAtSync?: (data: Uint8Array, offset: number) => number

  constructor(inner: Inner, plan?: FaultPlan) {
    super(inner)
    this.plan = plan
    if (inner.zeroAt) this.zeroAt = (offset, length) => this.#zero(offset, length)
    if (inner.writeAtSync) {
      this.writeAtSync = (data, offset) => {
        const fault = this.#next('write', offset, data.length)
        if (!fault) return inner.writeAtSync!(data, offset)
        const taken = damaged(data, fault)
        if (taken.length > 0) inner.writeAtSync!(taken, offset)
        return outcome(fault, taken.length, data.length)
      }
    }
    if (inner.readAtSync) {
      this.readAtSync = (target, offset) => {
        const fault = this.#next('read', offset, target.length)
        if (!fault) return inner.readAtSync!(target, offset)
        const length = share(target.length, fault)
        if (length > 0) inner.readAtSync!(target.subarray(0, length), offset)
        return outcome(fault, length, target.length)
      }
    }
    if (inner.flushSync) {
      this.flushSync = () => {
        const fault = this.#next('flush', 0, 0)
        if (fault) throw fault.error
        inner.flushSync!()
      }
    }
    if (inner.extents) {
      this.extents = (offset, length): Promise<readonly Extent[]> => {
        const fault = this.#next('extents', offset, length)
        if (fault?.how === 'throw') throw fault.error
        return fault ? Promise.reject(fault.error) : inner.extents!(offset, length)
      }
    }
  }

  override readAt(target: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const fault = this.#next('read', offset, target.length)
    if (!fault) return this.inner.readAt(target, offset, options)
    if (fault.how === 'throw') throw fault.error
    return this.#failedRead(target, offset, fault)
  }

  override writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    const fault = this.#next('write', offset, data.length)
    if (!fault) return this.inner.writeAt(data, offset, options)
    if (fault.how === 'throw') throw fault.error
    return this.#failedWrite(data, offset, fault)
  }

  override flush(): Promise<void> {
    const fault = this.#next('flush', 0, 0)
    if (fault?.how === 'throw') throw fault.error
    return fault ? Promise.reject(fault.error) : this.inner.flush()
  }

  #next(operation: Operation, offset: number, length: number): (Fault & { error: unknown }) | undefined {
    const number = ++this.calls[operation]
    const fault = this.plan?.({ operation, number, offset, length })
    if (!fault) return undefined
    this.faults++
    const error =
      fault.error ?? new StorageError(FAULT_CODE[operation], undefined, { context: { offset, length, number } })
    return { ...fault, error }
  }

  async #failedRead(target: Uint8Array, offset: number, fault: Fault): Promise<number> {
    const length = share(target.length, fault)
    if (length > 0) await this.inner.readAt(target.subarray(0, length), offset)
    return outcome(fault, length, target.length)
  }

  async #failedWrite(data: Uint8Array, offset: number, fault: Fault): Promise<number> {
    const taken = damaged(data, fault)
    if (taken.length > 0) await this.inner.writeAt(taken, offset)
    return outcome(fault, taken.length, data.length)
  }

  #zero(offset: number, length: number): Promise<number> {
    const fault = this.#next('zero', offset, length)
    if (!fault) return this.inner.zeroAt!(offset, length)
    if (fault.how === 'throw') throw fault.error
    const taken = fault.how === 'corrupt' ? length : share(length, fault)
    const zeroed = fault.how === 'corrupt' ? Promise.resolve(length) : this.inner.zeroAt!(offset, taken)
    return zeroed.then(() => outcome(fault, taken, length))
  }
}

const FAULT_CODE: Readonly<Record<Operation, ErrorCode>> = {
  read: 'READ_FAILED',
  write: 'WRITE_FAILED',
  zero: 'WRITE_FAILED',
  extents: 'READ_FAILED',
  flush: 'FLUSH_FAILED',
}

function share(length: number, fault: Fault): number {
  const taken = Math.floor(length * (fault.effect ?? 0))
  return fault.how === 'short' ? Math.min(taken, length - 1) : taken
}

function damaged(data: Uint8Array, fault: Fault): Uint8Array {
  if (fault.how !== 'corrupt') return data.subarray(0, share(data.length, fault))
  const wrong = data.slice()
  wrong[wrong.length >> 1]! ^= 0x55
  return wrong
}

function outcome(fault: Fault, taken: number, asked: number): number {
  if (fault.how === 'short') return taken
  if (fault.how === 'corrupt' || fault.how === 'lose') return asked
  throw fault.error
}

/** Faults for some calls of an operation: the `from`-th (default the first) and the ones after it, `times` in all (default one). */
export function onCalls(
  operation: Operation,
  { from = 1, times = 1 }: { from?: number; times?: number },
  fault: Fault = {},
): FaultPlan {
  return (call) =>
    call.operation === operation && call.number >= from && call.number < from + times ? fault : undefined
}

/** Faults for calls of an operation that touch one of these blocks, `times` in all (default for ever). */
export function onBlocks(
  operation: Operation,
  { blocks, blockSize, times = Infinity }: { blocks: Iterable<number>; blockSize: number; times?: number },
  fault: Fault = {},
): FaultPlan {
  const bad = [...blocks]
  let left = times
  return ({ operation: asked, offset, length }) => {
    const touches = bad.some((block) => block * blockSize < offset + length && offset < (block + 1) * blockSize)
    return asked === operation && touches && left-- > 0 ? fault : undefined
  }
}

/** Faults by chance, each of them one of `faults`. */
export function byChance(
  random: Random,
  chance: Partial<Record<Operation, number>>,
  faults: readonly Fault[],
): FaultPlan {
  return ({ operation }) => {
    const probability = chance[operation]
    if (probability === undefined || random() >= probability) return undefined
    return faults[Math.floor(random() * faults.length)]
  }
}

/** The first plan that has a fault decides. */
export function anyOf(...plans: readonly FaultPlan[]): FaultPlan {
  return (call) => {
    for (const plan of plans) {
      const fault = plan(call)
      if (fault) return fault
    }
    return undefined
  }
}
