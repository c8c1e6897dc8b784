/** What a server tells while it works. */
export interface NbdServerEventMap {
  /** A client connected. */
  connection: { readonly client: number }
  /** A client uses an export from now on. */
  chosen: { readonly client: number; readonly export: string }
  /** A client is gone. */
  disconnection: { readonly client: number }
  /** Something went wrong: a request at the storage, a client that broke the protocol, a socket. The server goes on. */
  error: { readonly client?: number; readonly error: unknown }
}

/** A handler of one kind of event. What it throws is the listener's own failure and is reported as an uncaught error. */
export type NbdServerListener<Type extends keyof NbdServerEventMap> = (event: NbdServerEventMap[Type]) => void

/** Keeps listeners and calls them in the order they came. */
export class NbdServerEvents {
  readonly #listeners = new Map<keyof NbdServerEventMap, Set<(event: never) => void>>()

  on<Type extends keyof NbdServerEventMap>(type: Type, listener: NbdServerListener<Type>): () => void {
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners)
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  emit<Type extends keyof NbdServerEventMap>(type: Type, event: NbdServerEventMap[Type]): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        ;(listener as NbdServerListener<Type>)(event)
      } catch (error) {
        // A listener must not disturb the clients, and its failure must not vanish.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
