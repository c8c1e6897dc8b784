import { StorageError } from '../errors/storage-error.ts'
import { EARLY_BYTES, EARLY_PACKETS } from './limits.ts'

/** Requests for devices that nobody handles yet, in the order they came. */
export class EarlyRequests<Request extends { readonly dev: number; readonly payload: Uint8Array }> {
  #requests: Request[] = []
  #bytes = 0

  /** @throws StorageError `LIMIT_EXCEEDED` */
  add(request: Request): void {
    this.#bytes += request.payload.length
    if (this.#requests.length >= EARLY_PACKETS || this.#bytes > EARLY_BYTES) {
      const { dev } = request
      throw new StorageError('LIMIT_EXCEEDED', `The peer sent too much for device ${dev}, which nobody has set up.`)
    }
    this.#requests.push(request)
  }

  /** Those of a device, which somebody handles from now on. */
  take(dev: number): readonly Request[] {
    const taken = this.#requests.filter((request) => request.dev === dev)
    this.#requests = this.#requests.filter((request) => request.dev !== dev)
    for (const { payload } of taken) this.#bytes -= payload.length
    return taken
  }

  clear(): void {
    this.#requests = []
  }
}
