import { FIRST_PAYLOAD_BYTES, POOLED_PAYLOADS } from './limits.ts'

/** Payloads come in a few sizes, those of runs; a buffer fits all that are up to this much shorter. */
const STEP_BYTES = 2 ** 18
/** Room for a head beside the data of a run. */
const HEAD_BYTES = FIRST_PAYLOAD_BYTES % STEP_BYTES

/**
 * Buffers for payloads that arrive in pieces, used again once their requests are done: fresh memory costs more than the copy into it, since
 * every page is zeroed and faulted in first. What is never given back is simply collected.
 */
export class PayloadPool {
  readonly #free: Uint8Array[] = []
  readonly #lent = new WeakSet<ArrayBufferLike>()

  /** A buffer of exactly `length` bytes, whose content is anything. */
  take(length: number): Uint8Array {
    const size = Math.max(1, Math.ceil((length - HEAD_BYTES) / STEP_BYTES)) * STEP_BYTES + HEAD_BYTES
    if (length < STEP_BYTES / 4 || size > FIRST_PAYLOAD_BYTES) return new Uint8Array(length)
    const index = this.#free.findIndex((buffer) => buffer.length === size)
    const buffer = index < 0 ? new Uint8Array(size) : this.#free.splice(index, 1)[0]!
    this.#lent.add(buffer.buffer)
    return buffer.subarray(0, length)
  }

  /** Nobody looks at this payload any more. One that was not taken here is left alone, as is one given back twice. */
  give(payload: Uint8Array): void {
    if (!this.#lent.delete(payload.buffer) || this.#free.length >= POOLED_PAYLOADS) return
    this.#free.push(new Uint8Array(payload.buffer))
  }
}
