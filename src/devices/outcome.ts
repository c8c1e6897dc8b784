/** A promise that somebody else settles, and that can be hoped for again after it was rejected. Nobody has to wait for it. */
export class Outcome<Value> {
  #promise!: Promise<Value>
  #resolve!: (value: Value) => void
  #reject!: (reason: unknown) => void
  #state: 'pending' | 'resolved' | 'rejected' = 'rejected'

  constructor() {
    this.renew()
  }

  get promise(): Promise<Value> {
    return this.#promise
  }

  resolve(value: Value): void {
    this.renew()
    if (this.#state === 'pending') this.#resolve(value)
    this.#state = 'resolved'
  }

  reject(reason: unknown): void {
    if (this.#state !== 'pending') return
    this.#state = 'rejected'
    this.#reject(reason)
  }

  /** After a rejection: whoever looks from here on waits again. */
  renew(): void {
    if (this.#state !== 'rejected') return
    this.#state = 'pending'
    this.#promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#promise.catch(() => {}) // Heard by whoever awaits it.
  }
}
