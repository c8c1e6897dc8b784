import type { StorageEventListener, StorageEventMap } from './events.ts'
import type { Extent, IoOptions, StorageProvider } from './provider.ts'

/**
 * The base of every module: forwards each call to `inner`, events included, so that a module states only what it changes.
 *
 * Reading members that `inner` has optionally are forwarded by presence. The optional *writing* members (`zeroAt`, `writeAtSync`) are not:
 * a module that watches or gates writes and forgets one of them would lose data, so it declares those itself.
 */
export class StorageWrapper<Inner extends StorageProvider = StorageProvider> implements StorageProvider {
  protected readonly inner: Inner
  extents?: (offset: number, length: number) => Promise<readonly Extent[]>
  readAtSync?: (target: Uint8Array, offset: number) => number
  flushSync?: () => void

  constructor(inner: Inner) {
    this.inner = inner
    if (inner.extents) this.extents = (offset, length) => inner.extents!(offset, length)
    if (inner.readAtSync) this.readAtSync = (target, offset) => inner.readAtSync!(target, offset)
    if (inner.flushSync) this.flushSync = () => inner.flushSync!()
  }

  get size(): number {
    return this.inner.size
  }

  get preferredBytes(): number {
    return this.inner.preferredBytes ?? 0
  }

  readAt(target: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    return this.inner.readAt(target, offset, options)
  }

  writeAt(data: Uint8Array, offset: number, options?: IoOptions): Promise<number> {
    return this.inner.writeAt(data, offset, options)
  }

  flush(): Promise<void> {
    return this.inner.flush()
  }

  close(): Promise<void> {
    return this.inner.close()
  }

  cancelWrites(offset: number, length: number): void {
    this.inner.cancelWrites(offset, length)
  }

  on<Type extends keyof StorageEventMap>(type: Type, listener: StorageEventListener<Type>): () => void {
    return this.inner.on?.(type, listener) ?? (() => {})
  }
}
