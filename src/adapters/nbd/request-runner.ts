import { type BufferPool, type DataBuffer, HEAD_ROOM } from './buffer-pool.ts'
import { ALLOCATION_CONTEXT_ID, COMMAND, COMMAND_FLAG } from './codes.ts'
import { HOLE_BYTES } from './limits.ts'
import type { NbdExport } from './nbd-export.ts'
import {
  DATA_CHUNK_BYTES,
  emptyChunk,
  errorChunk,
  holeChunk,
  SIMPLE_REPLY_BYTES,
  simpleReply,
  statusChunk,
  writeDataChunk,
  writeSimpleReply,
} from './replies.ts'
import { RequestFailure, toRequestFailure } from './request-failure.ts'
import type { Request } from './transmission.ts'
import type { Wire } from './wire.ts'
import { splitZeroes } from './zero-runs.ts'

/** Where a {@link RequestRunner} works. */
export interface RunnerOptions {
  readonly export: NbdExport
  readonly wire: Wire
  readonly pool: BufferPool
  /** Structured replies were agreed on. */
  readonly structured: boolean
  /** Called with each failure that is not the client's own. */
  readonly failed: (error: unknown) => void
}

/** Carries out the requests of one client and sends the answers, each when it is ready. */
export class RequestRunner {
  readonly #export: NbdExport
  readonly #wire: Wire
  readonly #pool: BufferPool
  readonly #structured: boolean
  readonly #failed: (error: unknown) => void

  constructor(options: RunnerOptions) {
    this.#export = options.export
    this.#wire = options.wire
    this.#pool = options.pool
    this.#structured = options.structured
    this.#failed = options.failed
  }

  /**
   * Carries out a request that was found in order. `payload` holds a write's data and becomes the runner's. Never rejects; resolves when the answer is
   * on its way. `released` is called when no memory is held for the request any more, which for a read is when the client has taken the answer.
   */
  async run(request: Request, payload: DataBuffer | undefined, released: () => void): Promise<void> {
    if (request.command === COMMAND.READ) return this.#read(request, released)
    try {
      if (request.command === COMMAND.BLOCK_STATUS) await this.#status(request)
      else {
        await this.#change(request, payload)
        this.#wire.send([simpleReply(request, 0)])
      }
    } catch (error) {
      this.#fail(request, error)
    }
    if (payload) this.#pool.give(payload)
    released()
  }

  /**
   * Carries out a read before it returns, where the storage answers without waiting; false where it does not. What is read is sent at once, so that
   * a client which takes nothing stops its own requests, and the data is still in the processor's cache when the system copies it.
   */
  readNow(request: Request, released: () => void): boolean {
    if (request.command !== COMMAND.READ || !this.#export.answersNow) return false
    const buffer = this.#pool.take(request.length)
    try {
      this.#export.readNow(dataOf(buffer, request), request.offset)
      this.#sendData(request, buffer, released)
    } catch (error) {
      this.#pool.give(buffer)
      this.#fail(request, error)
      released()
    }
    return true
  }

  #fail(request: Request, error: unknown): void {
    // What is refused to a client is an answer, not a fault of the disk.
    if (!(error instanceof RequestFailure)) this.#failed(error)
    this.refuse(request, toRequestFailure(error))
  }

  /** Answers with a failure. */
  refuse(request: Request, { errno, message }: RequestFailure): void {
    this.#wire.send([this.#structured ? errorChunk(request, errno, message) : simpleReply(request, errno)])
  }

  #change(request: Request, payload: DataBuffer | undefined): Promise<void> {
    const { command, flags, offset, length } = request
    const durable = (flags & COMMAND_FLAG.FUA) !== 0
    switch (command) {
      case COMMAND.WRITE:
        return payload ? this.#export.write(dataOf(payload, request), offset, { durable }) : Promise.resolve()
      case COMMAND.WRITE_ZEROES: {
        const allocated = (flags & COMMAND_FLAG.NO_HOLE) !== 0
        const fast = (flags & COMMAND_FLAG.FAST_ZERO) !== 0
        return this.#export.zero(offset, length, { durable, allocated, fast })
      }
      case COMMAND.TRIM:
        return this.#export.trim(offset, length, { durable })
      default:
        return this.#export.flush()
    }
  }

  async #status(request: Request): Promise<void> {
    const ranges = await this.#export.allocation(request.offset, request.length)
    const one = (request.flags & COMMAND_FLAG.REQ_ONE) !== 0
    this.#wire.send([statusChunk(request, ALLOCATION_CONTEXT_ID, one ? ranges.slice(0, 1) : ranges)])
  }

  async #read(request: Request, released: () => void): Promise<void> {
    const buffer = this.#pool.take(request.length)
    try {
      await this.#export.read(dataOf(buffer, request), request.offset)
      this.#sendData(request, buffer, released)
    } catch (error) {
      this.#pool.give(buffer)
      this.#fail(request, error)
      released()
    }
  }

  /** Sends what was read; the buffer goes back to the pool once it is taken. */
  #sendData(request: Request, buffer: DataBuffer, released: () => void): void {
    this.#wire.send(this.#structured ? this.#chunks(request, buffer) : [simpleData(request, buffer)], () => {
      this.#pool.give(buffer)
      released()
    })
  }

  /** The data of a read in chunks: one, or several where there are holes worth it. */
  #chunks(request: Request, buffer: DataBuffer): Uint8Array[] {
    const { offset, length } = request
    if (length === 0) return [emptyChunk(request)]
    // Borders of chunks are to be at multiples of 512 of the disk.
    const stretches = length >= HOLE_BYTES && offset % 512 === 0 ? splitZeroes(buffer.words, length) : undefined
    const whole = (request.flags & COMMAND_FLAG.DF) !== 0 && stretches !== undefined && stretches.length > 1
    if (stretches === undefined || whole) {
      const start = HEAD_ROOM - DATA_CHUNK_BYTES
      writeDataChunk(buffer.view, start, request, { offset, length, done: true })
      return [buffer.bytes.subarray(start, HEAD_ROOM + length)]
    }
    const parts: Uint8Array[] = []
    for (const { from, to, zero } of stretches) {
      const part = { offset: offset + from, length: to - from, done: to === length }
      if (zero) parts.push(holeChunk(request, part))
      else {
        const header = new DataView(new ArrayBuffer(DATA_CHUNK_BYTES))
        writeDataChunk(header, 0, request, part)
        parts.push(new Uint8Array(header.buffer), buffer.bytes.subarray(HEAD_ROOM + from, HEAD_ROOM + to))
      }
    }
    return parts
  }
}

function dataOf(buffer: DataBuffer, { length }: Request): Uint8Array {
  return buffer.bytes.subarray(HEAD_ROOM, HEAD_ROOM + length)
}

function simpleData(request: Request, { bytes, view }: DataBuffer): Uint8Array {
  const start = HEAD_ROOM - SIMPLE_REPLY_BYTES
  writeSimpleReply(view, start, request, 0)
  return bytes.subarray(start, HEAD_ROOM + request.length)
}
