import { afterEach } from 'vitest'
import { createWaitingCache, type WaitingCache, type WaitingCacheOptions } from '../../src/modules/waiting-cache.ts'
import { MemoryStorage } from '../../src/sources/memory.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { SlowStorage } from './slow-storage.ts'
import { VirtualClock } from './virtual-clock.ts'

export const BLOCK = 4096

const open: StorageProvider[] = []
afterEach(async () => {
  for (const disk of open.splice(0)) await disk.close()
})

/** Closes the disk when the test has ended. */
export function closeLater<Disk extends StorageProvider>(disk: Disk): Disk {
  open.push(disk)
  return disk
}

/** A request as the peer hears it: which, first block, number of blocks (the last one may be short). */
export type Request = readonly ['need' | 'dont', number, number]

export interface Rig extends WaitingCache {
  readonly disk: MemoryStorage
  readonly requests: Request[]
}

export function rig(
  options: WaitingCacheOptions & {
    blocks?: number
    size?: number
    over?: (disk: MemoryStorage) => StorageProvider
  } = {},
): Rig {
  const disk = new MemoryStorage(options.size ?? (options.blocks ?? 8) * BLOCK)
  const requests: Request[] = []
  const cache = createWaitingCache(options.over?.(disk) ?? disk, BLOCK, {
    needAt: (offset, length) => requests.push(['need', offset / BLOCK, Math.ceil(length / BLOCK)]),
    dontNeedAt: (offset, length) => requests.push(['dont', offset / BLOCK, Math.ceil(length / BLOCK)]),
    ...options,
  })
  closeLater(cache.local)
  return Object.assign(cache, { disk, requests })
}

/** A destination whose calls take 10 ms by hand. */
export function slowRig(options: WaitingCacheOptions & { blocks?: number; size?: number } = {}) {
  const clock = new VirtualClock({ automatic: false })
  const made = rig({ ...options, over: (disk) => new SlowStorage(disk, { clock, latencyMs: () => 10 }) })
  return Object.assign(made, { clock })
}

export const filled = (value: number, length = BLOCK) => new Uint8Array(length).fill(value)

export async function read({ local }: WaitingCache, offset: number, length: number): Promise<number[]> {
  const target = new Uint8Array(length).fill(0xee)
  const count = await local.readAt(target, offset)
  return [...target.subarray(0, count)]
}

/** The one value that all bytes of a range have, on the disk itself; undefined when they differ. */
export function stored({ disk }: Rig, offset: number, length = BLOCK): number | undefined {
  const bytes = new Uint8Array(length)
  disk.readAtSync(bytes, offset)
  return bytes.every((byte) => byte === bytes[0]) ? bytes[0] : undefined
}

export function watch(promise: Promise<unknown>): { state: string } {
  const watched = { state: 'pending' }
  promise.then(
    () => {
      watched.state = 'done'
    },
    (error) => {
      watched.state = error.code ?? error.message
    },
  )
  return watched
}
