import { ERRNO } from '../adapters/nbd/codes.ts'
import { RequestFailure } from '../adapters/nbd/request-failure.ts'
import { errorMessage } from '../errors/storage-error.ts'
import type { Lockable } from '../modules/lockable.ts'
import type { IoOptions, StorageProvider } from '../storage/provider.ts'
import { StorageWrapper } from '../storage/wrapper.ts'

/**
 * A gated disk as clients have it. Writes wait at the gate while nobody may write; once {@link refuseWrites} has said that this side never
 * will, those that wait and those that come are refused, so that no client hangs.
 */
export class ExportedDisk extends StorageWrapper {
  readonly #gate: Pick<Lockable, 'state'>
  #refusal: { readonly reason: unknown } | undefined
  /** Ends the wait of each write at the gate. */
  readonly #waiting = new Set<(error: unknown) => void>()
  zeroAt?: (offset: number, length: number) => Promise<number>

  /** `inner`: the gated disk, or what somebody has put in front of it. */
  constructor(gate: Lockable, inner: StorageProvider = gate) {
    super(inner)
    this.#gate = gate
    if (inner.zeroAt) this.zeroAt = (offset, length) => this.#whileAllowed(() => inner.zeroAt!(offset, length))
  }

  /** Refuses writes from now on; clients get to know the reason as far as their protocol has words for it. */
  refuseWrites(reason: unknown): void {
    this.#refusal ??= { reason }
    for (const stop of this.#waiting) stop(refusal(reason))
    this.#waiting.clear()
  }

  override writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    return this.#whileAllowed(() => this.inner.writeAt(data, offset, options))
  }

  /** What waits at the gate has not begun, and never begins once writes are refused: its disk is closed before the gate opens. */
  #whileAllowed(write: () => Promise<number>): Promise<number> {
    if (this.#refusal) return Promise.reject(refusal(this.#refusal.reason))
    if (this.#gate.state === 'open') return write()
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject)
      write()
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(reject))
    })
  }
}

function refusal(reason: unknown): RequestFailure {
  return new RequestFailure(ERRNO.EPERM, errorMessage(reason), reason)
}
