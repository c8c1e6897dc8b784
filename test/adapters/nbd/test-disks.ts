import { MemoryStorage } from '../../../src/sources/memory.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { settle } from './fake-client.ts'

/** A storage whose calls wait until the test lets them go. */
export class HeldStorage implements StorageProvider {
  readonly size: number
  readonly held: { kind: string; offset: number; go: () => void }[] = []
  readonly #inner: MemoryStorage

  constructor(size: number) {
    this.size = size
    this.#inner = new MemoryStorage(size, { sparse: true })
  }

  #hold(kind: string, offset: number): Promise<void> {
    return new Promise((go) => this.held.push({ kind, offset, go }))
  }

  async readAt(target: Uint8Array, offset: number): Promise<number> {
    await this.#hold('read', offset)
    return this.#inner.readAt(target, offset)
  }

  async writeAt(data: Uint8Array, offset: number): Promise<number> {
    await this.#hold('write', offset)
    return this.#inner.writeAt(data, offset)
  }

  async flush(): Promise<void> {
    await this.#hold('flush', 0)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  cancelWrites(): void {}

  async release(index = 0): Promise<void> {
    this.held.splice(index, 1)[0]!.go()
    await settle()
  }
}

/** A disk whose pages of 4 KiB are each filled with their number, never 0. */
export function filled(size: number, options: { sparse?: boolean } = {}): MemoryStorage {
  const disk = new MemoryStorage(size, options)
  for (let at = 0; at < size; at += 4096) disk.writeAtSync(new Uint8Array(4096).fill((at / 4096) % 255 || 1), at)
  return disk
}

/** All a disk holds. */
export async function readAll(disk: StorageProvider): Promise<Uint8Array> {
  const bytes = new Uint8Array(disk.size)
  await disk.readAt(bytes, 0)
  return bytes
}
