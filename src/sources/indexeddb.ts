import { throwIfAborted } from '../async/abort.ts'
import { type Clock, systemClock } from '../async/clock.ts'
import { InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import { errorCode, StorageError } from '../errors/storage-error.ts'
import type { StorageEventListener, StorageEventMap } from '../storage/events.ts'
import type { Extent, IoOptions, StorageProvider } from '../storage/provider.ts'
import { checkSize, clipLength } from '../storage/range.ts'
import { EarlyEvents } from './early-events.ts'
import { deleteDatabase, IndexedDbConnection } from './indexeddb-connection.ts'
import { checkRecordSize, type RecordLayout, readLayout, touch, writeLayout } from './indexeddb-layout.ts'
import { RecordPlan } from './indexeddb-plan.ts'
import { ChangeQueue } from './indexeddb-queue.ts'
import { listExtents, readRecords } from './indexeddb-reader.ts'
import { GET_ALL_BYTES, LOCK_TIMEOUT_MS, OPEN_TIMEOUT_MS, RECORD_SIZE } from './limits.ts'
import { platformError } from './platform-error.ts'
import { type HeldLock, takeWebLock } from './web-lock.ts'

/** Databases of ours start with this. */
const PREFIX = 'blockferry:'

/** How a disk in IndexedDB is opened. */
export interface IndexedDbOptions {
  /** Bytes. Creates the disk where there is none; without it the disk must exist. */
  size?: number
  /** Bytes of a record of a new disk, a multiple of 512; default `RECORD_SIZE`. 1 MiB is about three times faster for bulk work in Chromium, and slower for small writes. */
  recordSize?: number
  /** How long to wait for a disk that is open elsewhere; default `LOCK_TIMEOUT_MS`. */
  lockTimeoutMs?: number
  clock?: Clock
}

/**
 * A disk in an IndexedDB database of its own, in records of `recordSize` bytes; records that are missing read as zero.
 *
 * Writes that arrive together share a transaction, and are acknowledged when it has committed with relaxed durability; `flush` is a strict
 * transaction. One that fails is not acknowledged in any part. Overlapping writes take effect in the order they were issued; a read sees
 * what was acknowledged before it was issued. A connection the browser drops is opened again and what was under way repeated (`reopened`).
 *
 * Fails with `QUOTA_EXCEEDED`, `CONNECTION_LOST`, `CORRUPT`, `READ_FAILED`, `WRITE_FAILED`, `FLUSH_FAILED`, `CLOSED`, and with `NOT_FOUND`
 * when the user deleted the site's data meanwhile.
 */
export class IndexedDbStorage implements StorageProvider {
  readonly name: string
  readonly size: number
  /** Bytes of a record. */
  readonly recordSize: number
  readonly #layout: RecordLayout
  readonly #connection: IndexedDbConnection
  readonly #events: EarlyEvents
  readonly #clock: Clock
  readonly #lock: HeldLock | undefined
  readonly #queue: ChangeQueue
  #closing: Promise<void> | undefined

  private constructor(name: string, layout: RecordLayout, parts: OpenParts) {
    this.name = name
    this.size = layout.size
    this.recordSize = layout.recordSize
    this.#layout = layout
    this.#connection = parts.connection
    this.#events = parts.events
    this.#clock = parts.clock
    this.#lock = parts.lock
    this.#queue = new ChangeQueue(
      layout,
      (changes) => {
        const plan = new RecordPlan(layout, changes)
        return this.#connection.transact({ mode: 'readwrite' }, (store) => plan.run(store))
      },
      parts.clock,
    )
  }

  /**
   * Opens a disk, creating it when `size` is given and there is none.
   * @throws StorageError `NOT_FOUND` without `size`, `SIZE_MISMATCH`, `LOCKED` while somebody else has it open, `CORRUPT`, `NOT_SUPPORTED`, `OPEN_FAILED`
   */
  static async open(name: string, options: IndexedDbOptions = {}): Promise<IndexedDbStorage> {
    checkName(name)
    if (options.size !== undefined) checkSize(options.size)
    if (options.recordSize !== undefined) checkRecordSize(options.recordSize)
    const clock = options.clock ?? systemClock
    const events = new EarlyEvents()
    const lock = await takeDiskLock(name, options.lockTimeoutMs, clock)
    if (lock === undefined) {
      events.emit('warning', { message: 'No Web Locks here: opening this disk in two tabs is not prevented.' })
    }
    const connection = new IndexedDbConnection(PREFIX + name, clock, events)
    try {
      const layout = await openLayout(connection, options, clock)
      connection.checkOnReopen(async (store) => {
        const found = await readLayout(store)
        if (found === undefined) throw new StorageError('NOT_FOUND', `The disk ${name} was deleted while it was open.`)
        requireSame(found, layout)
      })
      return new IndexedDbStorage(name, layout, { connection, events, clock, lock })
    } catch (error) {
      connection.close()
      await lock?.release()
      // Before version 115 a private window of Firefox answers every opening with InvalidStateError (https://github.com/Fyrd/caniuse/issues/7243).
      const isLost = errorCode(error) === 'CONNECTION_LOST'
      throw isLost
        ? new StorageError('OPEN_FAILED', undefined, { cause: error, context: { name } })
        : platformError(error, 'OPEN_FAILED', { name })
    }
  }

  /** Deletes a disk; resolves also when there is none. @throws StorageError `LOCKED` while somebody has it open */
  static async delete(name: string, options: { lockTimeoutMs?: number; clock?: Clock } = {}): Promise<void> {
    checkName(name)
    const { lockTimeoutMs: timeoutMs = LOCK_TIMEOUT_MS, clock = systemClock } = options
    const lock = await takeDiskLock(name, timeoutMs, clock)
    try {
      await deleteDatabase(PREFIX + name, { timeoutMs: Math.max(timeoutMs, OPEN_TIMEOUT_MS), clock })
    } catch (error) {
      throw platformError(error, 'WRITE_FAILED', { name })
    } finally {
      await lock?.release()
    }
  }

  /** Names of the disks of this origin, sorted. @throws StorageError `NOT_SUPPORTED` before Firefox 126 */
  static async list(): Promise<string[]> {
    if (globalThis.indexedDB?.databases === undefined) throw new StorageError('NOT_SUPPORTED')
    const names = (await indexedDB.databases()).map((database) => database.name ?? '')
    return names
      .filter((name) => name.startsWith(PREFIX))
      .map((name) => name.slice(PREFIX.length))
      .sort()
  }

  async readAt(target: Uint8Array, offset: number, options: IoOptions = {}): Promise<number> {
    this.#requireOpen()
    const length = clipLength(this.size, offset, target.length)
    const step = Math.max(1, Math.floor(GET_ALL_BYTES / this.recordSize)) * this.recordSize
    for (let start = offset, next = 0; start < offset + length; start = next) {
      throwIfAborted(options.signal)
      next = Math.min(offset + length, Math.floor(start / this.recordSize) * this.recordSize + step)
      const piece = target.subarray(start - offset, next - offset)
      await this.#guard('READ_FAILED', { offset: start, length: piece.length }, () =>
        this.#connection.transact({ mode: 'readonly' }, (store) => readRecords(store, this.#layout, piece, start)),
      )
    }
    if (length === 0) throwIfAborted(options.signal)
    return length
  }

  async writeAt(data: Uint8Array, offset: number, options: IoOptions = {}): Promise<number> {
    this.#requireOpen()
    const length = clipLength(this.size, offset, data.length)
    throwIfAborted(options.signal)
    const clipped = length === data.length ? data : data.subarray(0, length)
    await this.#guard('WRITE_FAILED', { offset, length }, () =>
      this.#queue.push(clipped, offset, length, options.signal),
    )
    return length
  }

  async zeroAt(offset: number, length: number): Promise<number> {
    this.#requireOpen()
    const clipped = clipLength(this.size, offset, length)
    await this.#guard('WRITE_FAILED', { offset, length }, () => this.#queue.push(undefined, offset, clipped))
    return clipped
  }

  async extents(offset: number, length: number): Promise<readonly Extent[]> {
    this.#requireOpen()
    const clipped = clipLength(this.size, offset, length)
    if (clipped === 0) return []
    return this.#guard('READ_FAILED', { offset, length }, () =>
      this.#connection.transact({ mode: 'readonly' }, (store) => listExtents(store, this.#layout, offset, clipped)),
    )
  }

  async flush(): Promise<void> {
    this.#requireOpen()
    await this.#guard('FLUSH_FAILED', {}, () =>
      this.#connection.transact({ mode: 'readwrite', durability: 'strict' }, (store) =>
        touch(store, this.#clock.now()),
      ),
    )
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Nothing to do: a queued write is dropped already when a later one in the same transaction covers its records. */
  cancelWrites(): void {}

  on<Type extends keyof StorageEventMap>(type: Type, listener: StorageEventListener<Type>): () => void {
    return this.#events.on(type, listener)
  }

  async #close(): Promise<void> {
    await this.#queue.close()
    this.#connection.close()
    await this.#lock?.release()
  }

  #requireOpen(): void {
    if (this.#closing) throw new StorageError('CLOSED')
  }

  async #guard<Result>(
    code: 'READ_FAILED' | 'WRITE_FAILED' | 'FLUSH_FAILED',
    context: Record<string, number>,
    work: () => Promise<Result>,
  ): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      throw platformError(error, code, { name: this.name, ...context })
    }
  }
}

interface OpenParts {
  connection: IndexedDbConnection
  events: EarlyEvents
  clock: Clock
  lock: HeldLock | undefined
}

function checkName(name: string): void {
  if (typeof name !== 'string' || name === '') throw new InvalidArgumentError('name', 'a text that is not empty', name)
}

function takeDiskLock(name: string, timeoutMs = LOCK_TIMEOUT_MS, clock: Clock): Promise<HeldLock | undefined> {
  return takeWebLock(`blockferry:indexeddb:${name}`, { timeoutMs, clock })
}

/** The layout of the disk in a database; made where there is none and a size is given. */
async function openLayout(
  connection: IndexedDbConnection,
  options: IndexedDbOptions,
  clock: Clock,
): Promise<RecordLayout> {
  const found = await connection.transact({ mode: 'readonly' }, readLayout)
  if (found) {
    requireSame(found, { size: options.size ?? found.size, recordSize: options.recordSize ?? found.recordSize })
    return found
  }
  if (options.size === undefined) {
    connection.close()
    await deleteDatabase(connection.name, { timeoutMs: OPEN_TIMEOUT_MS, clock }) // Looking for it has made it.
    throw new StorageError('NOT_FOUND')
  }
  const layout = { size: options.size, recordSize: options.recordSize ?? RECORD_SIZE }
  await connection.transact({ mode: 'readwrite', durability: 'strict' }, (store) => writeLayout(store, layout))
  return layout
}

function requireSame(found: RecordLayout, expected: RecordLayout): void {
  if (found.size === expected.size && found.recordSize === expected.recordSize) return
  throw new StorageError(
    'SIZE_MISMATCH',
    `The stored disk has ${found.size} bytes in records of ${found.recordSize}, asked for were ${expected.size} in ${expected.recordSize}.`,
    { context: { size: found.size, recordSize: found.recordSize } },
  )
}
