import { promisifyRequest } from 'idb-keyval'
import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { StorageError } from '../errors/storage-error.ts'
import { LARGEST_RECORD_SIZE } from './limits.ts'

/** Version of the form in which a disk is kept. */
const FORMAT_VERSION = 1

/** Key of the record that describes the disk; all other keys are numbers. */
const META_KEY = 'meta'

/** Key of the record a flush writes: a strict transaction that changes nothing may be optimised away. */
const FLUSH_KEY = 'flushed'

/** How a disk lies in its database: record `n` holds the bytes from `n * recordSize` on, the last one may be short, a missing one is zero. */
export interface RecordLayout {
  readonly size: number
  readonly recordSize: number
}

/** Refuses a record size that is not a multiple of 512 up to `LARGEST_RECORD_SIZE`; returns it. */
export function checkRecordSize(recordSize: number): number {
  if (
    !Number.isSafeInteger(recordSize) ||
    recordSize < 512 ||
    recordSize > LARGEST_RECORD_SIZE ||
    recordSize % 512 !== 0
  ) {
    throw new InvalidArgumentError('recordSize', `a multiple of 512 up to ${LARGEST_RECORD_SIZE}`, recordSize)
  }
  return recordSize
}

/** Bytes of one record. */
export function recordLength(layout: RecordLayout, record: number): number {
  return Math.min(layout.recordSize, layout.size - record * layout.recordSize)
}

/** The description stored in a database; undefined when there is none. Throws `CORRUPT` for anything else. */
export async function readLayout(store: IDBObjectStore): Promise<RecordLayout | undefined> {
  const meta: unknown = await promisifyRequest(store.get(META_KEY))
  if (meta === undefined) return undefined
  const { formatVersion, size, recordSize } = Object(meta) as Record<string, unknown>
  if (formatVersion !== FORMAT_VERSION) {
    throw new StorageError(
      'CORRUPT',
      `Format version ${String(formatVersion)} is not ${FORMAT_VERSION}, the one known here.`,
    )
  }
  const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0
  if (!whole(size) || !whole(recordSize)) throw new StorageError('CORRUPT', 'The description of the disk is damaged.')
  return { size, recordSize }
}

/** Stores the description. */
export function writeLayout(store: IDBObjectStore, layout: RecordLayout): void {
  store.put({ formatVersion: FORMAT_VERSION, size: layout.size, recordSize: layout.recordSize }, META_KEY)
}

/** Changes something small, so that a strict transaction has something to make durable. */
export function touch(store: IDBObjectStore, now: number): void {
  store.put(now, FLUSH_KEY)
}

/** A stored value as bytes of the expected length; `CORRUPT` for anything else. */
export function recordBytes(value: unknown, record: number, layout: RecordLayout): Uint8Array {
  const bytes = value instanceof ArrayBuffer ? new Uint8Array(value) : value
  const length = recordLength(layout, record)
  if (!(bytes instanceof Uint8Array) || bytes.length !== length || bytes.buffer.byteLength !== length) {
    throw new StorageError('CORRUPT', `Record ${record} does not have the expected form.`, { context: { record } })
  }
  return bytes
}
