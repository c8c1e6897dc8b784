import { type StorageEventListener, type StorageEventMap, StorageEvents } from '../storage/events.ts'
import { EARLY_EVENTS } from './limits.ts'

/**
 * Events that keep what was emitted before anybody could listen: a storage falls back while it opens, and its caller gets hold of it
 * only afterwards. The first listener of a type gets those, in order, before the microtask queue is empty again.
 */
export class EarlyEvents {
  readonly #events = new StorageEvents()
  readonly #heard = new Set<keyof StorageEventMap>()
  readonly #early: [keyof StorageEventMap, StorageEventMap[keyof StorageEventMap]][] = []

  on<Type extends keyof StorageEventMap>(type: Type, listener: StorageEventListener<Type>): () => void {
    const stop = this.#events.on(type, listener)
    if (!this.#heard.has(type)) {
      this.#heard.add(type)
      for (const [earlyType, event] of this.#early) {
        if (earlyType === type) queueMicrotask(() => this.#events.emit(type, event as StorageEventMap[Type]))
      }
    }
    return stop
  }

  emit<Type extends keyof StorageEventMap>(type: Type, event: StorageEventMap[Type]): void {
    if (!this.#heard.has(type) && this.#early.length < EARLY_EVENTS) this.#early.push([type, event])
    else this.#events.emit(type, event)
  }
}
