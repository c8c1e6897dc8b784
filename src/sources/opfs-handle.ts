import type { Clock } from '../async/clock.ts'
import { combineErrors, StorageError } from '../errors/storage-error.ts'
import { HANDLE_CALL_BYTES, LOCK_RETRY_MS } from './limits.ts'
import type { BackendOptions, ImmediateBackend, OpfsBackend } from './opfs-backend.ts'
import { diskFile, fileError, isHeldElsewhere } from './opfs-folder.ts'
import { type HeldLock, takeWebLock } from './web-lock.ts'

/** A `FileSystemSyncAccessHandle`; TypeScript knows it only in programs that are nothing but a worker. */
interface SyncAccessHandle {
  read(target: Uint8Array, options: { at: number }): number
  write(data: Uint8Array, options: { at: number }): number
  truncate(size: number): void
  getSize(): number
  flush(): void
  close(): void
}

interface SyncFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<SyncAccessHandle>
}

/** Name of the lock that everybody who opens this disk takes, whichever API it then uses. */
export function diskLockName(name: string): string {
  return `blockferry:opfs:${name}`
}

/**
 * Whether sync access handles exist here: in dedicated workers only, not in shared or service workers
 * (https://github.com/electric-sql/pglite/issues/201, https://github.com/WICG/file-system-access/issues/472).
 */
export function hasSyncHandles(): boolean {
  const scope = globalThis as { FileSystemFileHandle?: { prototype: object } }
  return scope.FileSystemFileHandle !== undefined && 'createSyncAccessHandle' in scope.FileSystemFileHandle.prototype
}

/** A disk through a sync access handle of this worker: one file per disk, since Safari caps open handles at about 252 (https://github.com/electric-sql/pglite/issues/130). */
export class HandleBackend implements OpfsBackend {
  readonly size: number
  readonly immediate: ImmediateBackend
  readonly #name: string
  readonly #options: BackendOptions
  #held: HeldFile | undefined
  #taking: Promise<HeldFile> | undefined
  #waiting = 0
  #isClosed = false

  private constructor(name: string, held: HeldFile, options: BackendOptions) {
    this.#name = name
    this.#held = held
    this.#options = options
    this.size = held.handle.getSize()
    this.immediate = {
      read: (target, offset) => readAll(this.#now(), target, offset, name),
      write: (data, offset) => writeAll(this.#now(), data, offset, name),
      flush: () => flushNow(this.#now(), name),
    }
  }

  /** Opens or creates a disk. @throws StorageError `NOT_FOUND`, `SIZE_MISMATCH`, `LOCKED`, `QUOTA_EXCEEDED`, `NOT_SUPPORTED`, `OPEN_FAILED` */
  static async open(name: string, options: BackendOptions): Promise<HandleBackend> {
    const held = await takeFile(name, { ...options, create: options.size !== undefined })
    try {
      await prepare(held.handle, name, options.size)
      return new HandleBackend(name, held, options)
    } catch (error) {
      await giveBack(held)
      throw fileError(error, 'OPEN_FAILED', name)
    }
  }

  read(target: Uint8Array, offset: number): Promise<void> {
    return this.#withFile((handle) => readAll(handle, target, offset, this.#name))
  }

  write(data: Uint8Array, offset: number): Promise<void> {
    return this.#withFile((handle) => writeAll(handle, data, offset, this.#name))
  }

  flush(): Promise<void> {
    return this.#withFile((handle) => flushNow(handle, this.#name))
  }

  async release(): Promise<void> {
    const held = await this.#letGo()
    if (!held) return
    try {
      flushNow(held.handle, this.#name)
    } finally {
      await giveBack(held)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const held = await this.#letGo()
    if (held) await giveBack(held)
  }

  /** Takes the file from later calls; it is still to be given back. */
  async #letGo(): Promise<HeldFile | undefined> {
    await this.#taking?.catch(() => {}) // Reported to who asked for it.
    const held = this.#held
    this.#held = undefined
    return held
  }

  #now(): SyncAccessHandle {
    if (this.#held) return this.#held.handle
    throw new StorageError('LOCKED', 'The file was given back; an asynchronous call takes it again.')
  }

  /** Works at once while the file is held, else takes it first; calls that wait for that keep their order, also before later ones. */
  async #withFile(work: (handle: SyncAccessHandle) => void): Promise<void> {
    if (this.#held && this.#waiting === 0) return work(this.#held.handle)
    this.#waiting++
    let file: HeldFile
    try {
      file = await this.#take()
    } finally {
      this.#waiting--
    }
    work(file.handle)
  }

  async #take(): Promise<HeldFile> {
    if (this.#isClosed) throw new StorageError('CLOSED')
    if (this.#held) return this.#held
    this.#taking ??= this.#takeAgain().finally(() => {
      this.#taking = undefined
    })
    return this.#taking
  }

  async #takeAgain(): Promise<HeldFile> {
    const held = await takeFile(this.#name, { ...this.#options, create: false })
    if (held.handle.getSize() !== this.size) {
      await giveBack(held)
      throw new StorageError('SIZE_MISMATCH', 'The file changed its size while it was given back.')
    }
    this.#held = held
    return held
  }
}

interface HeldFile {
  readonly handle: SyncAccessHandle
  readonly lock: HeldLock | undefined
}

/** Takes lock and handle, waiting for both together at most `lockTimeoutMs`. */
async function takeFile(
  name: string,
  options: { lockTimeoutMs: number; clock: Clock; create: boolean },
): Promise<HeldFile> {
  const deadline = options.clock.now() + options.lockTimeoutMs
  const lock = await takeWebLock(diskLockName(name), { timeoutMs: options.lockTimeoutMs, clock: options.clock })
  try {
    // Asked for anew at each try: a handle from before the file was replaced stays stale for ever.
    for (;;) {
      const file = (await diskFile(name, options)) as SyncFileHandle
      try {
        return { handle: await file.createSyncAccessHandle(), lock }
      } catch (error) {
        if (!isHeldElsewhere(error) || options.clock.now() >= deadline) throw fileError(error, 'OPEN_FAILED', name)
      }
      await options.clock.sleep(LOCK_RETRY_MS)
    }
  } catch (error) {
    await lock?.release()
    throw error
  }
}

/** Closes and unlocks; whatever fails, the rest is still done. */
async function giveBack({ handle, lock }: HeldFile): Promise<void> {
  try {
    handle.close()
  } finally {
    await lock?.release()
  }
}

/** Gives a fresh file its size, or checks the size of an existing one. An empty file is one whose creation was cut off. */
async function prepare(handle: SyncAccessHandle, name: string, size: number | undefined): Promise<void> {
  const found = handle.getSize()
  if (found > 0) {
    if (size === undefined || size === found) return
    throw new StorageError('SIZE_MISMATCH', `The stored disk has ${found} bytes, asked for were ${size}.`, {
      context: { name, size: found },
    })
  }
  if (size === undefined) throw new StorageError('NOT_FOUND', undefined, { context: { name } })
  try {
    // Growing reserves the space in the browser's books, so that a full quota shows now and not in the middle of a migration.
    handle.truncate(size)
    if (handle.getSize() !== size) throw new StorageError('QUOTA_EXCEEDED', undefined, { context: { name, size } })
    handle.flush()
  } catch (error) {
    try {
      handle.truncate(0)
    } catch (second) {
      throw combineErrors(error, second)
    }
    throw error
  }
}

function readAll(handle: SyncAccessHandle, target: Uint8Array, offset: number, name: string): void {
  for (let done = 0; done < target.length; ) {
    const piece = target.subarray(done, done + HANDLE_CALL_BYTES)
    let count: number
    try {
      count = handle.read(piece, { at: offset + done })
    } catch (error) {
      throw fileError(error, 'READ_FAILED', name)
    }
    if (count === 0) throw new StorageError('SHORT_READ', undefined, { context: { name, offset: offset + done } })
    if (!(count > 0 && count <= piece.length))
      throw new StorageError('READ_FAILED', undefined, { context: { name, count } })
    done += count
  }
}

function writeAll(handle: SyncAccessHandle, data: Uint8Array, offset: number, name: string): void {
  for (let done = 0; done < data.length; ) {
    const piece = data.subarray(done, done + HANDLE_CALL_BYTES)
    let count: number
    try {
      count = handle.write(piece, { at: offset + done })
    } catch (error) {
      throw fileError(error, 'WRITE_FAILED', name)
    }
    // At a full quota Chromium returns -8 as an unsigned number and Firefox a short count, and neither throws
    // (https://github.com/rhashimoto/wa-sqlite/issues/336). A short count is continued: the next call returns 0 if the disk is full.
    if (!(count > 0 && count <= piece.length)) {
      throw new StorageError('QUOTA_EXCEEDED', undefined, { context: { name, offset: offset + done, count } })
    }
    done += count
  }
}

function flushNow(handle: SyncAccessHandle, name: string): void {
  try {
    // Slow on macOS, where Chromium asks the drive itself to flush (https://github.com/whatwg/fs/issues/156): called only by `flush`.
    handle.flush()
  } catch (error) {
    throw fileError(error, 'FLUSH_FAILED', name)
  }
}
