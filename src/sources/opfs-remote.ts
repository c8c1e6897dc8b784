import type { Clock } from '../async/clock.ts'
import { Semaphore } from '../async/semaphore.ts'
import { StorageError } from '../errors/storage-error.ts'
import { decodeError } from '../errors/wire.ts'
import { MESSAGE_BYTES, SPARE_BUFFERS, WORKER_TIMEOUT_MS } from './limits.ts'
import type { BackendOptions, OpfsBackend } from './opfs-backend.ts'
import type { NumberedRequest, OpfsReply, OpfsRequest } from './opfs-protocol.ts'

interface Waiting {
  readonly resolve: (reply: OpfsReply) => void
  readonly reject: (error: unknown) => void
}

/** Starts the worker that comes with this package. Written so that bundlers find its file. */
export function startOpfsWorker(): Worker {
  return new Worker(new URL('./opfs-worker.js', import.meta.url), { type: 'module', name: 'blockferry-opfs' })
}

/** A disk through a dedicated worker that holds the file, for pages. Bytes are copied once, into buffers that go to and fro. */
export class RemoteBackend implements OpfsBackend {
  readonly size: number
  readonly #port: WorkerPort
  readonly #spare: ArrayBuffer[] = []
  readonly #pieces = new Semaphore(SPARE_BUFFERS)

  private constructor(port: WorkerPort, size: number) {
    this.#port = port
    this.size = size
  }

  /** Starts the worker and has it open the disk. @throws StorageError what the worker throws; `NOT_SUPPORTED` or `CONNECTION_LOST` when it does not start */
  static async open(name: string, options: BackendOptions, makeWorker: () => Worker): Promise<RemoteBackend> {
    const port = new WorkerPort(makeWorker)
    try {
      const { lockTimeoutMs, size } = options
      const opening = port.call({ op: 'open', name, size, lockTimeoutMs })
      const reply = await inTime(opening, WORKER_TIMEOUT_MS + lockTimeoutMs, options.clock)
      return new RemoteBackend(port, reply.size!)
    } catch (error) {
      port.stop(error)
      throw error
    }
  }

  read(target: Uint8Array, offset: number): Promise<void> {
    return this.#inPieces(target.length, async (start, length) => {
      const reply = await this.#port.call({ op: 'read', offset: offset + start, length, buffer: this.#buffer(length) })
      target.set(new Uint8Array(reply.buffer!, 0, length), start)
      this.#keep(reply.buffer!)
    })
  }

  write(data: Uint8Array, offset: number): Promise<void> {
    return this.#inPieces(data.length, async (start, length) => {
      const buffer = this.#buffer(length)
      new Uint8Array(buffer, 0, length).set(data.subarray(start, start + length))
      const reply = await this.#port.call({ op: 'write', offset: offset + start, length, buffer })
      this.#keep(reply.buffer!)
    })
  }

  async flush(): Promise<void> {
    await this.#port.call({ op: 'flush' })
  }

  async release(): Promise<void> {
    await this.#port.call({ op: 'release' })
  }

  async close(): Promise<void> {
    try {
      await this.#port.call({ op: 'close' })
    } finally {
      this.#port.stop(new StorageError('CLOSED'))
      this.#spare.length = 0
    }
  }

  /** Sends a range in pieces, a bounded number at once, and in the order the calls were made. */
  async #inPieces(total: number, send: (start: number, length: number) => Promise<void>): Promise<void> {
    const pieces: Promise<void>[] = []
    for (let start = 0; start < total; start += MESSAGE_BYTES) {
      // All ask for their permit now, so that no later call's piece gets one before them.
      const permit = this.#pieces.acquire()
      const piece = async () => {
        await permit
        try {
          await send(start, Math.min(MESSAGE_BYTES, total - start))
        } finally {
          this.#pieces.release()
        }
      }
      pieces.push(piece())
    }
    // All of them, also after a failure: the caller's bytes are borrowed until the last piece has let go of them.
    const failed = (await Promise.allSettled(pieces)).find((piece) => piece.status === 'rejected')
    if (failed) throw failed.reason
  }

  #buffer(length: number): ArrayBuffer {
    // Small requests get a buffer of their size: clearing a large one would cost more than the copy.
    if (length < MESSAGE_BYTES / 4) return new ArrayBuffer(length)
    return this.#spare.pop() ?? new ArrayBuffer(MESSAGE_BYTES)
  }

  #keep(buffer: ArrayBuffer): void {
    if (buffer.byteLength === MESSAGE_BYTES && this.#spare.length < SPARE_BUFFERS) this.#spare.push(buffer)
  }
}

/** A worker and the calls that wait for its answer. */
class WorkerPort {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #calls = 0
  #failure: unknown

  constructor(makeWorker: () => Worker) {
    try {
      this.#worker = makeWorker()
    } catch (error) {
      throw new StorageError('NOT_SUPPORTED', 'The worker that holds the file could not be started.', { cause: error })
    }
    this.#worker.addEventListener('message', ({ data }: MessageEvent<OpfsReply>) => this.#settle(data))
    // A worker that does not load (policy, missing file) only says this much.
    this.#worker.addEventListener('error', (event) => {
      const cause = event.message ? new Error(event.message) : undefined
      this.stop(new StorageError('CONNECTION_LOST', 'The worker that holds the file failed.', { cause }))
    })
    this.#worker.addEventListener('messageerror', () =>
      this.stop(new StorageError('CONNECTION_LOST', 'The worker that holds the file sent what cannot be read.')),
    )
  }

  call(request: OpfsRequest): Promise<OpfsReply> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const id = this.#calls++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      const transfer = 'buffer' in request ? [request.buffer] : []
      this.#worker.postMessage({ id, request } satisfies NumberedRequest, transfer)
    })
  }

  /** Ends the worker; what waits for it and what comes later rejects with this. */
  stop(error: unknown): void {
    this.#failure ??= error
    this.#worker.terminate()
    for (const { reject } of this.#waiting.values()) reject(this.#failure)
    this.#waiting.clear()
  }

  #settle(reply: OpfsReply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if (reply.error) waiting?.reject(decodeError(reply.error))
    else waiting?.resolve(reply)
  }
}

/** Waits for an answer, but not for ever. */
async function inTime<Value>(answer: Promise<Value>, timeoutMs: number, clock: Clock): Promise<Value> {
  const stopTimer = new AbortController()
  const late = clock.sleep(timeoutMs, stopTimer.signal).then(() => {
    throw new StorageError('NOT_SUPPORTED', 'The worker that holds the file does not answer.')
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    stopTimer.abort()
    late.catch(() => {}) // Stopped, or thrown above.
  }
}
