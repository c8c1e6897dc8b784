import { StorageError } from '../../errors/storage-error.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import type { Soon } from './in-turn.ts'

/** Whether a storage answers at once, as SQLite's synchronous builds need. */
export function answersAtOnce(provider: StorageProvider): boolean {
  return Boolean(provider.readAtSync && provider.writeAtSync && provider.flushSync)
}

/** Whole reads and writes of a storage: in the same turn where it has the synchronous twins, later otherwise. */
export class ProviderIo {
  readonly provider: StorageProvider
  readonly isAtOnce: boolean

  constructor(provider: StorageProvider) {
    this.provider = provider
    this.isAtOnce = answersAtOnce(provider)
  }

  /** @throws StorageError `SHORT_READ`, and what the storage throws */
  read(target: Uint8Array, offset: number): Soon<void> {
    const { provider } = this
    if (this.isAtOnce) return requireAll('SHORT_READ', provider.readAtSync!(target, offset), target.length, offset)
    return provider.readAt(target, offset).then((count) => requireAll('SHORT_READ', count, target.length, offset))
  }

  /** `data` is borrowed until then. @throws StorageError `SHORT_WRITE`, and what the storage throws */
  write(data: Uint8Array, offset: number): Soon<void> {
    const { provider } = this
    if (this.isAtOnce) return requireAll('SHORT_WRITE', provider.writeAtSync!(data, offset), data.length, offset)
    return provider.writeAt(data, offset).then((count) => requireAll('SHORT_WRITE', count, data.length, offset))
  }

  flush(): Soon<void> {
    return this.isAtOnce ? this.provider.flushSync!() : this.provider.flush()
  }
}

function requireAll(code: 'SHORT_READ' | 'SHORT_WRITE', count: number, expected: number, offset: number): void {
  if (count !== expected) throw new StorageError(code, undefined, { context: { offset, expected, got: count } })
}
