/**
 * Buffers that were sent and may be filled again. A fresh one is faulted in page by page, which takes several times as long as copying into one
 * that was used before.
 */
export class SpareBuffers {
  readonly #limit: number
  /** The oldest first. */
  readonly #buffers: ArrayBuffer[] = []
  #bytes = 0

  /** Keeps at most `limit` bytes. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** So many bytes of any content, at the start of a buffer that may be longer. */
  take(length: number): Uint8Array<ArrayBuffer> {
    // Not one that is far too large: it may be what the next message needs.
    const index = this.#buffers.findIndex(({ byteLength }) => byteLength >= length && byteLength <= 2 * length)
    if (index < 0) return new Uint8Array(length)
    const [buffer] = this.#buffers.splice(index, 1)
    this.#bytes -= buffer!.byteLength
    return new Uint8Array(buffer!, 0, length)
  }

  /** Nobody uses this buffer any more. The oldest ones are let go when there are too many. */
  give(buffer: ArrayBuffer): void {
    this.#buffers.push(buffer)
    this.#bytes += buffer.byteLength
    while (this.#bytes > this.#limit) this.#bytes -= this.#buffers.shift()!.byteLength
  }
}
