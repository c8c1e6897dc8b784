/**
 * Bytes of requests that may be unanswered at once: the credit that the peer gave with its hello. Who finds it used up waits, first come
 * first served; a request larger than the whole window passes alone.
 */
export class SendWindow {
  readonly #bytes: number
  #used = 0
  readonly #waiting: { readonly bytes: number; readonly go: () => void; readonly stop: (reason: unknown) => void }[] =
    []
  #end: { readonly reason: unknown } | undefined

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  get usedBytes(): number {
    return this.#used
  }

  /** Takes credit for a request; give it back with {@link release} when it is answered. */
  acquire(bytes: number): Promise<void> | void {
    if (this.#end) return Promise.reject(this.#end.reason)
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#used += bytes
      return
    }
    return new Promise((go, stop) => this.#waiting.push({ bytes, go, stop }))
  }

  release(bytes: number): void {
    this.#used -= bytes
    while (this.#waiting.length > 0 && this.#fits(this.#waiting[0]!.bytes)) {
      const next = this.#waiting.shift()!
      this.#used += next.bytes
      next.go()
    }
  }

  /** Ends every wait, now and later, with the reason. */
  stop(reason: unknown): void {
    this.#end ??= { reason }
    for (const { stop } of this.#waiting.splice(0)) stop(reason)
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#bytes
  }
}
