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
   * Carries out a request that was found in order. `payload` holds a write's data and becomes the runner's. Never rejects; resolves when the answer
   * is sent as far as it holds memory.
   */
  async run(request: Request, payload?: DataBuffer): Promise<void> {
    try {
      if (request.command === COMMAND.READ) await this.#read(request)
      else if (request.command === COMMAND.BLOCK_STATUS) await this.#status(request)
      else {
        await this.#change(request, payload)
        this.#wire.send([simpleReply(request, 0)])
      }
    } catch (error) {
      // What the request asked for cannot be had here: that is an answer, not a fault of the disk.
      if (!(error instanceof RequestFailure)) this.#failed(error)
      this.refuse(request, toRequestFailure(error))
    } finally {
      if (payload) this.#pool.give(payload)
    }
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
        return payload
          ? this.#export.write(payload.bytes.subarray(HEAD_ROOM, HEAD_ROOM + length), offset, { durable })
          : Promise.resolve()
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

  async #read(request: Request): Promise<void> {
    const { offset, length } = request
    if (length === 0) return this.#wire.send([this.#structured ? emptyChunk(request) : simpleReply(request, 0)])
    const buffer = this.#pool.take(length)
    try {
      await this.#export.read(buffer.bytes.subarray(HEAD_ROOM, HEAD_ROOM + length), offset)
      const parts = this.#structured ? this.#chunks(request, buffer) : [simpleData(request, buffer)]
      await new Promise<void>((resolve) => this.#wire.send(parts, resolve))
    } finally {
      this.#pool.give(buffer)
    }
  }

  /** The data of a read in chunks: one, or several where there are holes worth it. */
  #chunks(request: Request, buffer: DataBuffer): Uint8Array[] {
    const { offset, length } = request
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

function simpleData(request: Request, { bytes, view }: DataBuffer): Uint8Array {
  const start = HEAD_ROOM - SIMPLE_REPLY_BYTES
  writeSimpleReply(view, start, request, 0)
  return bytes.subarray(start, HEAD_ROOM + request.length)
}
