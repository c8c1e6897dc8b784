import { throwIfAborted } from '../async/abort.ts'
import { type Clock, systemClock } from '../async/clock.ts'
import { errorCode, errorMessage, StorageError } from '../errors/storage-error.ts'
import type { StorageEventListener, StorageEventMap } from '../storage/events.ts'
import type { IoOptions, StorageProvider } from '../storage/provider.ts'
import { checkSize, clipLength } from '../storage/range.ts'
import { currentContext } from './capabilities.ts'
import { EarlyEvents } from './early-events.ts'
import { LOCK_TIMEOUT_MS, PREFERRED_HANDLE_BYTES } from './limits.ts'
import type { BackendOptions, OpfsBackend } from './opfs-backend.ts'
import { checkDiskName, deleteDiskFile, listDiskFiles } from './opfs-folder.ts'
import { diskLockName, HandleBackend, hasSyncHandles } from './opfs-handle.ts'
import { RemoteBackend, startOpfsWorker } from './opfs-remote.ts'
import { StreamBackend } from './opfs-stream.ts'
import { takeWebLock } from './web-lock.ts'

/** How a disk in the origin private file system is opened. */
export interface OpfsOptions {
  /** Bytes. Creates the disk where there is none; without it the disk must exist. */
  size?: number
  /** How long to wait for a disk that is open elsewhere; default `LOCK_TIMEOUT_MS`. */
  lockTimeoutMs?: number
  /** `sync`, the default, uses a sync access handle and falls back with a `warning`; `async` uses the slow asynchronous API. */
  access?: 'sync' | 'async'
  /** Starts the worker that holds the file for a page, where a bundler does not find the one of this package; it calls `serveOpfs(self)`. */
  worker?: () => Worker
  clock?: Clock
}

/**
 * A disk in one file of the origin private file system, in its folder `blockferry`.
 *
 * In a dedicated worker it uses a sync access handle directly and has the synchronous twins; on a page it talks to a worker of its own.
 * Calls take effect in the order they are issued. The whole size is reserved at creation. The file is exclusive; it is given back when the
 * page is hidden for good (`pagehide`) and taken again by the next call, when the page has come back. A call costs some 50 microseconds in
 * Chromium whatever its length, so long ones pay: 4 MiB are about 1.2 times as fast as 1 MiB, and 5 times as fast as 64 KiB.
 *
 * Fails with `QUOTA_EXCEEDED`, `LOCKED`, `SHORT_READ`, `READ_FAILED`, `WRITE_FAILED`, `FLUSH_FAILED`, `CONNECTION_LOST`, `CLOSED`.
 */
export class OpfsStorage implements StorageProvider {
  readonly name: string
  readonly size: number
  readonly preferredBytes?: number
  readonly readAtSync?: (target: Uint8Array, offset: number) => number
  readonly writeAtSync?: (data: Uint8Array, offset: number) => number
  readonly flushSync?: () => void
  readonly #backend: OpfsBackend
  readonly #events: EarlyEvents
  #closing: Promise<void> | undefined
  readonly #onPageHide = () => void this.release().catch(() => {}) // The page is going; nobody is left to tell.

  private constructor(name: string, backend: OpfsBackend, events: EarlyEvents) {
    this.name = name
    this.size = backend.size
    this.#backend = backend
    this.#events = events
    const { immediate } = backend
    if (immediate) {
      this.preferredBytes = PREFERRED_HANDLE_BYTES
      this.readAtSync = (target, offset) => {
        const clipped = this.#clip(target, offset)
        immediate.read(clipped, offset)
        return clipped.length
      }
      this.writeAtSync = (data, offset) => {
        const clipped = this.#clip(data, offset)
        immediate.write(clipped, offset)
        return clipped.length
      }
      this.flushSync = () => {
        this.#requireOpen()
        immediate.flush()
      }
    }
    // The lock of a page that is left lingers and shuts out the next one unless the file is closed here
    // (https://github.com/powersync-ja/powersync-js/issues/811, https://github.com/livestorejs/livestore/issues/244).
    if (currentContext() === 'page') globalThis.addEventListener('pagehide', this.#onPageHide)
  }

  /**
   * Opens a disk, creating it when `size` is given and there is none.
   * @throws StorageError `NOT_FOUND` without `size`, `SIZE_MISMATCH`, `LOCKED`, `QUOTA_EXCEEDED`, `NOT_SUPPORTED`, `OPEN_FAILED`
   */
  static async open(name: string, options: OpfsOptions = {}): Promise<OpfsStorage> {
    checkDiskName(name)
    if (options.size !== undefined) checkSize(options.size)
    const events = new EarlyEvents()
    const backendOptions: BackendOptions = {
      size: options.size,
      lockTimeoutMs: options.lockTimeoutMs ?? LOCK_TIMEOUT_MS,
      clock: options.clock ?? systemClock,
      events,
    }
    const backend =
      options.access === 'async'
        ? await StreamBackend.open(name, backendOptions)
        : await openSync(name, backendOptions, options.worker ?? startOpfsWorker)
    return new OpfsStorage(name, backend, events)
  }

  /** Deletes a disk; resolves also when there is none. @throws StorageError `LOCKED` while somebody has it open, `NOT_SUPPORTED` */
  static async delete(name: string, options: { lockTimeoutMs?: number; clock?: Clock } = {}): Promise<void> {
    checkDiskName(name)
    const { lockTimeoutMs: timeoutMs = LOCK_TIMEOUT_MS, clock = systemClock } = options
    const lock = await takeWebLock(diskLockName(name), { timeoutMs, clock })
    try {
      await deleteDiskFile(name)
    } finally {
      await lock?.release()
    }
  }

  /** Names of the disks of this origin, sorted. @throws StorageError `NOT_SUPPORTED` */
  static list(): Promise<string[]> {
    return listDiskFiles()
  }

  async readAt(target: Uint8Array, offset: number, options: IoOptions = {}): Promise<number> {
    const clipped = this.#clip(target, offset)
    throwIfAborted(options.signal)
    if (clipped.length > 0) await this.#backend.read(clipped, offset)
    return clipped.length
  }

  async writeAt(data: Uint8Array, offset: number, options: IoOptions = {}): Promise<number> {
    const clipped = this.#clip(data, offset)
    throwIfAborted(options.signal)
    if (clipped.length > 0) await this.#backend.write(clipped, offset)
    return clipped.length
  }

  async flush(): Promise<void> {
    this.#requireOpen()
    await this.#backend.flush()
  }

  /** Flushes and gives the file back to other tabs; the next call takes it again. A worker may do this when its page tells it of `pagehide`. */
  async release(): Promise<void> {
    this.#requireOpen()
    await this.#backend.release()
  }

  close(): Promise<void> {
    if (!this.#closing) {
      if (currentContext() === 'page') globalThis.removeEventListener('pagehide', this.#onPageHide)
      this.#closing = this.#backend.close()
    }
    return this.#closing
  }

  /** Nothing waits here long enough to be overtaken. */
  cancelWrites(): void {}

  on<Type extends keyof StorageEventMap>(type: Type, listener: StorageEventListener<Type>): () => void {
    return this.#events.on(type, listener)
  }

  #requireOpen(): void {
    if (this.#closing) throw new StorageError('CLOSED')
  }

  #clip(bytes: Uint8Array, offset: number): Uint8Array {
    this.#requireOpen()
    const length = clipLength(this.size, offset, bytes.length)
    return length === bytes.length ? bytes : bytes.subarray(0, length)
  }
}

/** The fastest way that this context has. */
async function openSync(name: string, options: BackendOptions, worker: () => Worker): Promise<OpfsBackend> {
  if (hasSyncHandles()) return HandleBackend.open(name, options)
  let reason = 'this context has no sync access handles'
  if (currentContext() === 'page') {
    try {
      return await RemoteBackend.open(name, options, worker)
    } catch (error) {
      const code = errorCode(error)
      if (code !== 'NOT_SUPPORTED' && code !== 'CONNECTION_LOST') throw error
      reason = errorMessage(error)
    }
  }
  const backend = await StreamBackend.open(name, options)
  options.events.emit('warning', {
    code: 'NOT_SUPPORTED',
    message: `The disk uses the slow asynchronous file API: ${reason}`,
  })
  return backend
}
