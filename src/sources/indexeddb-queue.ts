import { throwIfAborted } from '../async/abort.ts'
import type { Clock } from '../async/clock.ts'
import { StorageError } from '../errors/storage-error.ts'
import { endBlock, firstBlock } from '../storage/range.ts'
import type { RecordLayout } from './indexeddb-layout.ts'
import type { RangeChange } from './indexeddb-plan.ts'
import { SECOND_TRANSACTION_BYTES, TRANSACTION_BYTES, TRANSACTION_WRITES, TRANSACTIONS_IN_FLIGHT } from './limits.ts'

interface QueuedChange extends RangeChange {
  readonly firstRecord: number
  readonly endRecord: number
  readonly signal: AbortSignal | undefined
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Records from the first to the last that a transaction touches. */
interface Span {
  first: number
  end: number
}

/**
 * Gathers changes that arrive together into few transactions, and keeps the order of those that touch the same record.
 *
 * It holds no bytes, only references to what callers lend until their promise settles; so it needs no limit of its own.
 */
export class ChangeQueue {
  readonly #layout: RecordLayout
  readonly #commit: (changes: readonly RangeChange[]) => Promise<void>
  readonly #clock: Clock
  readonly #queue: QueuedChange[] = []
  readonly #inFlight = new Map<Promise<void>, Span>()
  #gathering = false
  #isClosed = false

  /** @param commit stores changes in one transaction, all or nothing */
  constructor(layout: RecordLayout, commit: (changes: readonly RangeChange[]) => Promise<void>, clock: Clock) {
    this.#layout = layout
    this.#commit = commit
    this.#clock = clock
  }

  /** Queues a change of a range inside the disk; resolves when it is committed. Large ones are committed in several transactions. */
  async push(data: Uint8Array | undefined, offset: number, length: number, signal?: AbortSignal): Promise<void> {
    const { recordSize } = this.#layout
    const pieceLength = Math.max(1, Math.floor(TRANSACTION_BYTES / recordSize)) * recordSize
    const pieces: Promise<void>[] = []
    for (let start = offset, next = 0; start < offset + length; start = next) {
      const cut = Math.floor(start / recordSize) * recordSize + pieceLength
      // Discards are not cut: they cost the same at any length.
      next = data === undefined ? offset + length : Math.min(offset + length, cut)
      pieces.push(this.#enqueue(data?.subarray(start - offset, next - offset), start, next - start, signal))
    }
    // All of them, also after a failure: the data is borrowed until the last piece has let go of it.
    const failed = (await Promise.allSettled(pieces)).find((piece) => piece.status === 'rejected')
    if (failed) throw failed.reason
  }

  /** Refuses what has not started with `CLOSED`; resolves when what has started is through. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const change of this.#queue.splice(0)) change.reject(new StorageError('CLOSED'))
    await Promise.all(this.#inFlight.keys())
  }

  #enqueue(data: Uint8Array | undefined, offset: number, length: number, signal?: AbortSignal): Promise<void> {
    if (this.#isClosed) return Promise.reject(new StorageError('CLOSED'))
    const { recordSize } = this.#layout
    const firstRecord = firstBlock(offset, recordSize)
    const endRecord = endBlock(offset, length, recordSize)
    const queued = new Promise<void>((resolve, reject) => {
      this.#queue.push({ data, offset, length, firstRecord, endRecord, signal, resolve, reject })
    })
    this.#gather()
    return queued
  }

  /** Waits for what is issued in the same turn, so that it shares a transaction, then starts. */
  #gather(): void {
    if (this.#gathering) return
    this.#gathering = true
    void this.#clock.yield().then(() => {
      this.#gathering = false
      this.#start()
    })
  }

  #start(): void {
    while (this.#inFlight.size < TRANSACTIONS_IN_FLIGHT) {
      const batch = this.#take()
      if (batch.length === 0) return
      const span = { first: Number.POSITIVE_INFINITY, end: 0 }
      for (const change of batch) {
        span.first = Math.min(span.first, change.firstRecord)
        span.end = Math.max(span.end, change.endRecord)
      }
      const done = this.#run(batch).then(() => {
        this.#inFlight.delete(done)
        this.#start()
      })
      this.#inFlight.set(done, span)
    }
  }

  /** Takes the changes of the next transaction from the front; none when it has to wait for one under way. */
  #take(): QueuedChange[] {
    let bytes = 0
    let count = 0
    let lastRecord = -1
    while (count < this.#queue.length && count < TRANSACTION_WRITES) {
      const change = this.#queue[count]
      // The two transactions would run in order, but if the first has to be repeated it comes after the second.
      if (this.#touchesInFlight(change)) break
      // A record that is written in part is read and written whole, but once for all parts of it that stand together.
      const records = change.endRecord - Math.max(change.firstRecord, lastRecord + 1)
      const cost = change.data === undefined ? 0 : Math.max(0, records) * this.#layout.recordSize
      if (count > 0 && bytes + cost > TRANSACTION_BYTES) break
      bytes += cost
      lastRecord = change.endRecord - 1
      count++
    }
    if (this.#inFlight.size > 0 && bytes < SECOND_TRANSACTION_BYTES) return []
    return this.#queue.splice(0, count)
  }

  #touchesInFlight(change: QueuedChange): boolean {
    for (const span of this.#inFlight.values()) {
      if (change.firstRecord < span.end && span.first < change.endRecord) return true
    }
    return false
  }

  /** Commits a batch and settles its changes; never rejects. */
  async #run(batch: QueuedChange[]): Promise<void> {
    const wanted = batch.filter((change) => {
      try {
        throwIfAborted(change.signal)
        return true
      } catch (error) {
        change.reject(error)
        return false
      }
    })
    try {
      if (wanted.length > 0) await this.#commit(wanted)
    } catch (error) {
      for (const change of wanted) change.reject(error)
      return
    }
    for (const change of wanted) change.resolve()
  }
}
