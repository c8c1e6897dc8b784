import { promisifyRequest } from 'idb-keyval'
import { endBlock, firstBlock } from '../storage/range.ts'
import { type RecordLayout, recordBytes, recordLength } from './indexeddb-layout.ts'

/** A change of a byte range: bytes to store, or undefined to make it zero. The bytes are borrowed from the caller. */
export interface RangeChange {
  readonly data: Uint8Array | undefined
  readonly offset: number
  readonly length: number
}

/** A piece of caller's data that goes into a record at `at`; undefined data are zeroes. */
interface RecordPart {
  readonly data: Uint8Array | undefined
  readonly at: number
  readonly length: number
}

/**
 * The least work that has the effect of several changes in their order: whole records dropped by range first, then each touched record
 * once, read before only when the changes leave some of it.
 */
export class RecordPlan {
  readonly #layout: RecordLayout
  readonly #dropped: { first: number; end: number }[] = []
  readonly #parts = new Map<number, RecordPart[]>()

  constructor(layout: RecordLayout, changes: readonly RangeChange[]) {
    this.#layout = layout
    for (const change of changes) this.#add(change)
  }

  /** Issues the requests; resolves when all of them are issued. Can be run again on another transaction. */
  async run(store: IDBObjectStore): Promise<void> {
    for (const { first, end } of this.#dropped) store.delete(IDBKeyRange.bound(first, end, false, true))
    const scratch = new Uint8Array(this.#layout.recordSize)
    const reads: Promise<void>[] = []
    for (const [record, parts] of this.#parts) {
      const length = recordLength(this.#layout, record)
      if (parts[0].length === length) {
        this.#put(store, record, parts, length === scratch.length ? scratch : new Uint8Array(length))
      } else {
        const read = promisifyRequest<unknown>(store.get(record)).then((value) => {
          const base = value === undefined ? new Uint8Array(length) : recordBytes(value, record, this.#layout)
          this.#put(store, record, parts, base)
        })
        read.catch(() => {}) // Seen by `Promise.all` below, unless a later `put` throws first.
        reads.push(read)
      }
    }
    await Promise.all(reads)
  }

  #add({ data, offset, length }: RangeChange): void {
    const { size, recordSize } = this.#layout
    let first = firstBlock(offset, recordSize)
    const end = endBlock(offset, length, recordSize)
    if (data === undefined) {
      // Whole records go by range: a discard of a terabyte is one request.
      const firstWhole = offset % recordSize === 0 ? first : first + 1
      const endWhole = offset + length === size ? end : firstBlock(offset + length, recordSize)
      if (firstWhole < endWhole) {
        this.#dropped.push({ first: firstWhole, end: endWhole })
        for (const record of this.#parts.keys())
          if (record >= firstWhole && record < endWhole) this.#parts.delete(record)
        if (first < firstWhole) this.#addPart(first, { data, offset, length })
        if (endWhole < end) this.#addPart(end - 1, { data, offset, length })
        return
      }
    }
    for (; first < end; first++) this.#addPart(first, { data, offset, length })
  }

  #addPart(record: number, { data, offset, length }: RangeChange): void {
    const start = record * this.#layout.recordSize
    const from = Math.max(offset, start)
    const until = Math.min(offset + length, start + recordLength(this.#layout, record))
    const part = { data: data?.subarray(from - offset, until - offset), at: from - start, length: until - from }
    const parts = this.#parts.get(record)
    // What covers the whole record makes everything before it irrelevant, and is then first, which is how `run` knows.
    if (parts === undefined || part.length === recordLength(this.#layout, record)) this.#parts.set(record, [part])
    else parts.push(part)
  }

  /** Stores the record or, when it is all zero, drops it: missing records read as zero and take no space. */
  #put(store: IDBObjectStore, record: number, parts: readonly RecordPart[], bytes: Uint8Array): void {
    for (const { data, at, length } of parts) {
      if (data) bytes.set(data, at)
      else bytes.fill(0, at, at + length)
    }
    // `put` copies at once, and of a view it copies the whole buffer: `bytes` owns exactly its bytes, and may be used again after.
    if (isZero(bytes)) store.delete(record)
    else store.put(bytes, record)
  }
}

/** Whether all bytes are zero; usually known after the first few. */
function isZero(bytes: Uint8Array): boolean {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
  for (let index = 0; index < words.length; index++) if (words[index] !== 0) return false
  for (let index = words.length << 2; index < bytes.length; index++) if (bytes[index] !== 0) return false
  return true
}
