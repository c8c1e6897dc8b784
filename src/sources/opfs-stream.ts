import { StorageError } from '../errors/storage-error.ts'
import { LOCK_RETRY_MS, STREAM_ATTEMPTS, STREAM_BYTES, STREAM_WRITE_BYTES } from './limits.ts'
import type { BackendOptions, OpfsBackend } from './opfs-backend.ts'
import { deleteDiskFile, diskFile, fileError, isHeldElsewhere } from './opfs-folder.ts'
import { diskLockName } from './opfs-handle.ts'
import { errorName } from './platform-error.ts'
import { type HeldLock, takeWebLock } from './web-lock.ts'

interface QueuedWrite {
  readonly data: Uint8Array
  readonly offset: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * A disk through the asynchronous API, where there are no sync access handles.
 *
 * A writable stream works on a copy of the whole file and puts it in place when it is closed (32 writes of 4 KiB took 36 ms on an empty
 * file and 4120 ms on one of 64 MiB: https://github.com/Aurtechmx/openlidarviewer/issues/653), so writes are gathered into large batches.
 * An acknowledged write is in place; the API has no way to ask for more, so `flush` does nothing.
 */
export class StreamBackend implements OpfsBackend {
  readonly size: number
  readonly #name: string
  readonly #options: BackendOptions
  readonly #queue: QueuedWrite[] = []
  #lock: Promise<HeldLock | undefined> | undefined
  #working: Promise<void> | undefined
  #isClosed = false

  private constructor(name: string, size: number, lock: HeldLock | undefined, options: BackendOptions) {
    this.#name = name
    this.size = size
    this.#lock = Promise.resolve(lock)
    this.#options = options
  }

  /** Opens or creates a disk. @throws StorageError `NOT_SUPPORTED` before Safari 26, else as with sync handles */
  static async open(name: string, options: BackendOptions): Promise<StreamBackend> {
    // Missing in Safari before 26: https://github.com/livestorejs/livestore/issues/905, https://github.com/JiangJie/happy-opfs/issues/2
    const scope = globalThis as { FileSystemFileHandle?: { prototype: object } }
    if (!scope.FileSystemFileHandle || !('createWritable' in scope.FileSystemFileHandle.prototype)) {
      throw new StorageError('NOT_SUPPORTED', 'There are no writable streams on files here.')
    }
    const lock = await takeWebLock(diskLockName(name), { timeoutMs: options.lockTimeoutMs, clock: options.clock })
    if (!lock)
      options.events.emit('warning', { message: 'No Web Locks here: opening this disk in two tabs is not prevented.' })
    try {
      const size = await prepare(name, options)
      return new StreamBackend(name, size, lock, options)
    } catch (error) {
      await lock?.release()
      throw fileError(error, 'OPEN_FAILED', name)
    }
  }

  async read(target: Uint8Array, offset: number): Promise<void> {
    await this.#take()
    for (let attempt = 1; ; attempt++) {
      try {
        const file = await (await diskFile(this.#name, { create: false })).getFile()
        const bytes = new Uint8Array(await file.slice(offset, offset + target.length).arrayBuffer())
        if (bytes.length < target.length) throw new StorageError('SHORT_READ', undefined, { context: { offset } })
        target.set(bytes)
        return
      } catch (error) {
        // A batch that came into place meanwhile makes this snapshot of the file unreadable.
        if (errorName(error) !== 'NotReadableError' || attempt >= STREAM_ATTEMPTS) {
          throw fileError(error, 'READ_FAILED', this.#name)
        }
      }
    }
  }

  write(data: Uint8Array, offset: number): Promise<void> {
    if (this.#isClosed) return Promise.reject(new StorageError('CLOSED'))
    if (data.length === 0) return Promise.resolve()
    const written = new Promise<void>((resolve, reject) => this.#queue.push({ data, offset, resolve, reject }))
    this.#working ??= this.#work()
    return written
  }

  async flush(): Promise<void> {
    await this.#take()
  }

  async release(): Promise<void> {
    await this.#working
    const lock = this.#lock
    this.#lock = undefined
    await (await lock)?.release()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const write of this.#queue.splice(0)) write.reject(new StorageError('CLOSED'))
    await this.release()
  }

  async #take(): Promise<void> {
    if (this.#isClosed) throw new StorageError('CLOSED')
    const { lockTimeoutMs, clock } = this.#options
    this.#lock ??= takeWebLock(diskLockName(this.#name), { timeoutMs: lockTimeoutMs, clock })
    const taking = this.#lock
    try {
      await taking
    } catch (error) {
      if (this.#lock === taking) this.#lock = undefined
      throw error
    }
  }

  /** Works the queue off, batch after batch; never rejects. */
  async #work(): Promise<void> {
    // What is issued in the same turn shares the first batch.
    await this.#options.clock.yield()
    while (this.#queue.length > 0) {
      let bytes = 0
      let count = 0
      while (count < this.#queue.length && (count === 0 || bytes + this.#queue[count].data.length <= STREAM_BYTES)) {
        bytes += this.#queue[count++].data.length
      }
      const batch = this.#queue.splice(0, count)
      try {
        await this.#take()
        await this.#store(batch)
      } catch (error) {
        for (const write of batch) write.reject(error)
        continue
      }
      for (const write of batch) write.resolve()
    }
    this.#working = undefined
  }

  async #store(batch: readonly QueuedWrite[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        const file = await diskFile(this.#name, { create: false })
        const stream = await openStream(file, this.#name, this.#options)
        await inPlace(stream, async () => {
          for (const { data, offset } of batch) {
            for (let start = 0; start < data.length; start += STREAM_WRITE_BYTES) {
              // A copy of its own: WebKit writes the whole buffer behind a view (https://github.com/rhashimoto/wa-sqlite/issues/344).
              const piece = data.slice(start, start + STREAM_WRITE_BYTES)
              await stream.write({ type: 'write', position: offset + start, data: piece })
            }
          }
        })
        return
      } catch (error) {
        // Chromium fails now and then with "Failed to write data to data pipe" (https://github.com/ai-ecoverse/slicc/issues/1979);
        // nothing of the batch is in place then, so it is simply repeated.
        const isFinal = errorName(error) === 'QuotaExceededError' || error instanceof StorageError
        if (isFinal || attempt >= STREAM_ATTEMPTS) throw fileError(error, 'WRITE_FAILED', this.#name)
      }
    }
  }
}

/** The size of an existing disk, or of the one made here. An empty file is one whose creation was cut off. */
async function prepare(name: string, options: BackendOptions): Promise<number> {
  const handle = await diskFile(name, { create: options.size !== undefined })
  const found = (await handle.getFile()).size
  if (found > 0) {
    if (options.size === undefined || options.size === found) return found
    throw new StorageError('SIZE_MISMATCH', `The stored disk has ${found} bytes, asked for were ${options.size}.`, {
      context: { name, size: found },
    })
  }
  const { size } = options
  if (size === undefined) throw new StorageError('NOT_FOUND', undefined, { context: { name } })
  try {
    const stream = await openStream(handle, name, options)
    await inPlace(stream, () => stream.truncate(size))
  } catch (error) {
    await deleteDiskFile(name)
    throw error
  }
  return size
}

/** Opens a stream on a copy of the file; waits while somebody holds the file by other means than our lock. */
async function openStream(
  file: FileSystemFileHandle,
  name: string,
  options: BackendOptions,
): Promise<FileSystemWritableFileStream> {
  const deadline = options.clock.now() + options.lockTimeoutMs
  for (;;) {
    try {
      return await file.createWritable({ keepExistingData: true })
    } catch (error) {
      if (!isHeldElsewhere(error) || options.clock.now() >= deadline) throw fileError(error, 'WRITE_FAILED', name)
    }
    await options.clock.sleep(LOCK_RETRY_MS)
  }
}

/** Does the work and puts the stream's copy in place; drops the copy when either fails. */
async function inPlace(stream: FileSystemWritableFileStream, work: () => Promise<void>): Promise<void> {
  try {
    await work()
    await stream.close()
  } catch (error) {
    await stream.abort().catch(() => {}) // It has failed already; its copy goes with it.
    throw error
  }
}
