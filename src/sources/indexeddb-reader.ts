import { promisifyRequest } from 'idb-keyval'
import { StorageError } from '../errors/storage-error.ts'
import type { Extent } from '../storage/provider.ts'
import { endBlock, firstBlock } from '../storage/range.ts'
import { type RecordLayout, recordBytes, recordLength } from './indexeddb-layout.ts'
import { KEYS_AT_ONCE } from './limits.ts'

/** Fills `target` with the bytes from `offset` on, inside one transaction. The range is short enough for one `getAll`. */
export async function readRecords(
  store: IDBObjectStore,
  layout: RecordLayout,
  target: Uint8Array,
  offset: number,
): Promise<void> {
  const first = firstBlock(offset, layout.recordSize)
  const end = endBlock(offset, target.length, layout.recordSize)
  if (end - first === 1) {
    return copyRecord(layout, first, await promisifyRequest<unknown>(store.get(first)), target, offset)
  }
  const range = IDBKeyRange.bound(first, end, false, true)
  const values = await promisifyRequest<unknown[]>(store.getAll(range, end - first))
  // A full range needs no keys; they are asked for only when some records are missing, in the same transaction and so of the same state.
  const keys = values.length === end - first ? undefined : await promisifyRequest(store.getAllKeys(range, end - first))
  if (keys && keys.length !== values.length) throw new StorageError('CORRUPT')
  for (let record = first, index = 0; record < end; record++) {
    const isPresent = keys === undefined || keys[index] === record
    copyRecord(layout, record, isPresent ? values[index] : undefined, target, offset)
    if (isPresent) index++
  }
}

/** Copies the part of a record that lies in the target's range; a missing record is zero. */
function copyRecord(layout: RecordLayout, record: number, value: unknown, target: Uint8Array, offset: number): void {
  const start = record * layout.recordSize
  const from = Math.max(offset, start)
  const until = Math.min(offset + target.length, start + recordLength(layout, record))
  if (value === undefined) target.fill(0, from - offset, until - offset)
  else target.set(recordBytes(value, record, layout).subarray(from - start, until - start), from - offset)
}

/** The stored records of a range as extents, neighbours joined; walks the keys in steps of `KEYS_AT_ONCE`. */
export async function listExtents(
  store: IDBObjectStore,
  layout: RecordLayout,
  offset: number,
  length: number,
): Promise<Extent[]> {
  const end = endBlock(offset, length, layout.recordSize)
  const runs: { first: number; end: number }[] = []
  for (let next = firstBlock(offset, layout.recordSize); next < end; ) {
    const keys = await promisifyRequest(store.getAllKeys(IDBKeyRange.bound(next, end, false, true), KEYS_AT_ONCE))
    for (const key of keys as number[]) {
      const last = runs.at(-1)
      if (last?.end === key) last.end++
      else runs.push({ first: key, end: key + 1 })
    }
    if (keys.length < KEYS_AT_ONCE) break
    next = (keys.at(-1) as number) + 1
  }
  return runs.map((run) => {
    const start = Math.max(offset, run.first * layout.recordSize)
    return { offset: start, length: Math.min(offset + length, run.end * layout.recordSize) - start }
  })
}
