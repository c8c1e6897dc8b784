import { IDLE_BUFFER_BYTES } from './limits.ts'

/** Bytes before the data of a buffer, where a reply's header fits; a multiple of the cache line, so that the data stays aligned. */
export const HEAD_ROOM = 64

/** The smallest buffer made. */
const SMALLEST_BYTES = 4096

/** Memory for one request's data, with room for a header right before it: header and data leave in one piece. */
export interface DataBuffer {
  /** `HEAD_ROOM` bytes, then the data. */
  readonly bytes: Uint8Array
  readonly view: DataView
  /** The data as words, for looking at it quickly. */
  readonly words: Int32Array
}

/** Keeps buffers for reuse, the last one given back first: it is still in the processor's cache. What they hold is whatever was there before. */
export class BufferPool {
  readonly #idle = new Map<number, DataBuffer[]>()
  #idleBytes = 0

  /** A buffer for at least `length` bytes of data; to be given back once. */
  take(length: number): DataBuffer {
    const capacity = Math.max(SMALLEST_BYTES, 2 ** Math.ceil(Math.log2(Math.max(1, length))))
    const idle = this.#idle.get(capacity)?.pop()
    if (!idle) return newBuffer(capacity)
    this.#idleBytes -= capacity
    return idle
  }

  give(buffer: DataBuffer): void {
    const capacity = buffer.bytes.length - HEAD_ROOM
    if (this.#idleBytes + capacity > IDLE_BUFFER_BYTES) return
    this.#idleBytes += capacity
    const list = this.#idle.get(capacity)
    if (list) list.push(buffer)
    else this.#idle.set(capacity, [buffer])
  }
}

function newBuffer(capacity: number): DataBuffer {
  const bytes = new Uint8Array(HEAD_ROOM + capacity)
  return { bytes, view: new DataView(bytes.buffer), words: new Int32Array(bytes.buffer, HEAD_ROOM) }
}
