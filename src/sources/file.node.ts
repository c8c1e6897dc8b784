import { constants, type Stats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { throwIfAborted } from '../async/abort.ts'
import { type ErrorCode, StorageError } from '../errors/storage-error.ts'
import type { IoOptions, StorageProvider } from '../storage/provider.ts'
import { checkSize, clipLength } from '../storage/range.ts'
import { blockDeviceSize } from './block-device.node.ts'
import { type HeldFileLock, takeFileLock } from './file-lock.node.ts'

/** Bytes of one system call at most: Linux takes no more than 0x7ffff000, and an abort is noticed between two. */
const CALL_BYTES = 2 ** 26

/** Zeroes are written from one shared buffer of this size; larger ones gain nothing. */
const ZERO_BYTES = 2 ** 18
let zeroes: Uint8Array | undefined

/** How {@link FileStorage.open} treats the path. */
export interface FileStorageOptions {
  /** Makes the file with this size in bytes where there is none; a shorter one grows by zeroes, a longer one is refused with `SIZE_MISMATCH`. */
  readonly create?: number
  /** With `create`: what the file held is discarded first, whatever its size. */
  readonly truncate?: boolean
  /** Opens for reading; writes reject with `WRITE_FAILED`. */
  readonly readOnly?: boolean
  /** Keeps others out that ask for the same, in this process or another, until it is closed: `LOCKED` says who holds it. Default: false. */
  readonly exclusive?: boolean
}

interface WriteUnderWay {
  readonly start: number
  readonly end: number
  readonly settled: Promise<void>
}

/**
 * A disk in a regular file or a block device.
 *
 * Calls run at the same time in Node's thread pool; writes that overlap run in the order they were issued. A file made or grown here is
 * sparse. The size is fixed when it is opened: a file that somebody else cuts short afterwards rejects reads with `SHORT_READ`.
 * There is no synchronous twin: it would hold up the event loop.
 */
export class FileStorage implements StorageProvider {
  readonly path: string
  readonly size: number
  readonly #handle: FileHandle
  readonly #readOnly: boolean
  readonly #lock: HeldFileLock | undefined
  /** The file is new, so its name in the directory is not safe yet. */
  #nameUnsafe: boolean
  /** Nothing was ever written from here on: holes, which need no zeroes. */
  #writtenEnd: number
  readonly #writing = new Set<WriteUnderWay>()
  readonly #calls = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  private constructor(
    path: string,
    handle: FileHandle,
    state: { size: number; writtenEnd: number; isNew: boolean; readOnly: boolean; lock: HeldFileLock | undefined },
  ) {
    this.path = path
    this.size = state.size
    this.#handle = handle
    this.#readOnly = state.readOnly
    this.#lock = state.lock
    this.#nameUnsafe = state.isNew
    this.#writtenEnd = state.writtenEnd
  }

  /**
   * Opens a file or a block device.
   * @throws StorageError `NOT_FOUND` without `create`, `SIZE_MISMATCH`, `QUOTA_EXCEEDED`, `LOCKED` where it is exclusive, else `OPEN_FAILED`.
   */
  static async open(path: string, options: FileStorageOptions = {}): Promise<FileStorage> {
    const { create, truncate = false, readOnly = false, exclusive = false } = options
    if (create !== undefined) checkSize(create)
    let lock: HeldFileLock | undefined
    try {
      const before = await statOrUndefined(path)
      // Asked before opening, since opening a pipe waits for its other end.
      if (before && !before.isFile() && !before.isBlockDevice())
        throw openFailed(path, 'is not a file or a block device')
      // Before anything is made or discarded.
      if (exclusive) lock = await takeFileLock(path)
      const access = readOnly ? constants.O_RDONLY : constants.O_RDWR
      const handle = await open(path, create === undefined || readOnly ? access : access | constants.O_CREAT)
      try {
        const extent = await prepare(path, handle, readOnly ? {} : { create, truncate })
        return new FileStorage(path, handle, { ...extent, isNew: before === undefined, readOnly, lock })
      } catch (error) {
        await handle.close()
        throw error
      }
    } catch (error) {
      await lock?.release()
      throw toStorageError(error, 'OPEN_FAILED', path)
    }
  }

  readAt(target: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    return this.#call('READ_FAILED', async () => {
      const length = clipLength(this.size, offset, target.length)
      for (let done = 0; done < length; ) {
        throwIfAborted(options?.signal)
        const wanted = Math.min(length - done, CALL_BYTES)
        const { bytesRead } = await this.#handle.read(target, done, wanted, offset + done)
        if (bytesRead === 0) throw this.#shortened(offset + done)
        done += bytesRead
      }
      throwIfAborted(options?.signal)
      return length
    })
  }

  writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    return this.#call('WRITE_FAILED', () => {
      this.#checkWritable()
      const length = clipLength(this.size, offset, data.length)
      throwIfAborted(options?.signal)
      if (length > 0) this.#writtenEnd = Math.max(this.#writtenEnd, offset + length)
      return this.#inOrder(offset, length, async () => {
        await this.#write(data, length, offset, options?.signal)
        return length
      })
    })
  }

  /** Makes a range read as zero; where nothing was ever written it stays a hole. */
  zeroAt(offset: number, length: number): Promise<number> {
    return this.#call('WRITE_FAILED', () => {
      this.#checkWritable()
      const clipped = clipLength(this.size, offset, length)
      const end = Math.min(offset + clipped, this.#writtenEnd)
      return this.#inOrder(offset, clipped, async () => {
        zeroes ??= new Uint8Array(ZERO_BYTES)
        for (let at = offset; at < end; at += ZERO_BYTES) await this.#write(zeroes, Math.min(ZERO_BYTES, end - at), at)
        return clipped
      })
    })
  }

  flush(): Promise<void> {
    return this.#call('FLUSH_FAILED', async () => {
      if (this.#readOnly) return
      await this.#handle.datasync()
      if (this.#nameUnsafe) await syncDirectory(dirname(this.path))
      this.#nameUnsafe = false
    })
  }

  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#calls).then(async () => {
      try {
        await this.#handle.close()
      } finally {
        await this.#lock?.release()
      }
    })
    return this.#closing
  }

  cancelWrites(): void {
    // Nothing waits here: each write is at the operating system already, or behind one that overlaps it.
  }

  /** Runs a call that `close` waits for, with platform failures as ours. */
  #call<Result>(code: ErrorCode, work: () => Promise<Result>): Promise<Result> {
    const call = this.#run(code, work)
    const settled = call.then(
      () => void this.#calls.delete(settled),
      () => void this.#calls.delete(settled),
    )
    this.#calls.add(settled)
    return call
  }

  async #run<Result>(code: ErrorCode, work: () => Promise<Result>): Promise<Result> {
    if (this.#closing) throw new StorageError('CLOSED', `"${this.path}" is closed`)
    try {
      return await work()
    } catch (error) {
      throw toStorageError(error, code, this.path)
    }
  }

  /** The operating system promises no order among calls under way, so those that overlap wait for each other. */
  async #inOrder<Result>(offset: number, length: number, work: () => Promise<Result>): Promise<Result> {
    const end = offset + length
    const earlier: Promise<void>[] = []
    for (const write of this.#writing) if (write.start < end && offset < write.end) earlier.push(write.settled)
    let settle = () => {}
    const settled = new Promise<void>((resolve) => {
      settle = resolve
    })
    const write = { start: offset, end, settled }
    this.#writing.add(write)
    try {
      if (earlier.length > 0) await Promise.all(earlier)
      return await work()
    } finally {
      this.#writing.delete(write)
      settle()
    }
  }

  async #write(data: Uint8Array, length: number, offset: number, signal?: AbortSignal): Promise<void> {
    for (let done = 0; done < length; ) {
      throwIfAborted(signal)
      const wanted = Math.min(length - done, CALL_BYTES)
      const { bytesWritten } = await this.#handle.write(data, done, wanted, offset + done)
      // A count of zero without an error would loop for ever.
      if (bytesWritten === 0) throw new StorageError('SHORT_WRITE', `"${this.path}" took no bytes at ${offset + done}`)
      done += bytesWritten
    }
  }

  #checkWritable(): void {
    if (this.#readOnly) throw new StorageError('WRITE_FAILED', `"${this.path}" was opened for reading only`)
  }

  #shortened(offset: number): StorageError {
    return new StorageError('SHORT_READ', `"${this.path}" ends at ${offset}, it had ${this.size} bytes when opened`, {
      context: { path: this.path, offset },
    })
  }
}

/** Gives an open file its size; says where written data can be at most. */
async function prepare(
  path: string,
  handle: FileHandle,
  { create, truncate }: { create?: number | undefined; truncate?: boolean },
): Promise<{ size: number; writtenEnd: number }> {
  const stats = await handle.stat()
  const length = stats.isBlockDevice() ? await blockDeviceSize(handle, stats) : stats.size
  if (create === undefined || stats.isBlockDevice()) {
    if (create !== undefined && create !== length) throw sizeMismatch(path, length, create)
    if (length === 0) throw openFailed(path, 'is empty')
    return { size: length, writtenEnd: length }
  }
  if (truncate && length > 0) await handle.truncate(0)
  if (!truncate && length > create) throw sizeMismatch(path, length, create)
  if (truncate || length < create) await handle.truncate(create)
  return { size: create, writtenEnd: truncate ? 0 : length }
}

/** Makes names in a directory survive a crash; where directories cannot be opened (Windows) the system does so itself. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const directory = await open(path, constants.O_RDONLY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

async function statOrUndefined(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** What a failure of the operating system means, where it means more than that the call failed. */
const SYSTEM_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'QUOTA_EXCEEDED',
  EDQUOT: 'QUOTA_EXCEEDED',
  // The file system or the process's limit allows no file of this size.
  EFBIG: 'QUOTA_EXCEEDED',
  ENOENT: 'NOT_FOUND',
}

function toStorageError(error: unknown, code: ErrorCode, path: string): unknown {
  const system = systemCode(error)
  if (system === undefined || error instanceof StorageError || error instanceof RangeError) return error
  const message = `"${path}": ${(error as Error).message}`
  return new StorageError(SYSTEM_CODES[system] ?? code, message, { cause: error, context: { path, system } })
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function openFailed(path: string, reason: string): StorageError {
  return new StorageError('OPEN_FAILED', `"${path}" ${reason}`, { context: { path } })
}

function sizeMismatch(path: string, got: number, expected: number): StorageError {
  return new StorageError('SIZE_MISMATCH', `"${path}" has ${got} bytes, expected ${expected}`, {
    context: { path, got, expected },
  })
}
