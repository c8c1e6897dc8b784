import type { ErrorCode } from '../errors/storage-error.ts'

/** What a storage can tell while it works. */
export interface StorageEventMap {
  /** Something works less well than asked for (a fallback, a private window); shown to the user, never swallowed. */
  warning: { readonly message: string; readonly code?: ErrorCode }
  /** A lost connection was opened again and the interrupted calls were repeated. */
  reopened: { readonly message: string }
}

/** A handler of one kind of event. What it throws is the listener's own failure and is reported as an uncaught error. */
export type StorageEventListener<Type extends keyof StorageEventMap> = (event: StorageEventMap[Type]) => void

/** Keeps listeners and calls them in the order they came. Handlers may add and remove handlers. */
export class StorageEvents {
  readonly #listeners = new Map<keyof StorageEventMap, Set<(event: never) => void>>()

  on<Type extends keyof StorageEventMap>(type: Type, listener: StorageEventListener<Type>): () => void {
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners)
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  emit<Type extends keyof StorageEventMap>(type: Type, event: StorageEventMap[Type]): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        ;(listener as StorageEventListener<Type>)(event)
      } catch (error) {
        // A listener must not break the storage, and its failure must not vanish: the host reports it as uncaught.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
