import { throwIfAborted } from '../../src/async/abort.ts'
import { systemClock } from '../../src/async/clock.ts'
import type { StorageProvider } from '../../src/storage/provider.ts'
import { endBlock, firstBlock } from '../../src/storage/range.ts'
import { diskImage } from './disk-image.ts'

const SEED = 20
const READ_BYTES = 1 << 20

/** How often other tasks, Cancel among them, get a turn: these storages may answer without ever leaving ours. */
const TURN_MS = 12

/** What filling a disk and looking through one have in common. */
export interface FillOptions {
  readonly blockSize: number
  readonly signal: AbortSignal
  /** Hears which blocks hold data, front to back. */
  found(start: number, end: number): void
  /** Called now and then. */
  turn(): void
}

/** Writes data that looks like a disk in use. */
export async function fillDisk(disk: StorageProvider, options: FillOptions): Promise<void> {
  const takeTurn = turns(options)
  for (const { offset, data } of diskImage(disk.size, SEED)) {
    await disk.writeAt(data, offset)
    options.found(firstBlock(offset, options.blockSize), endBlock(offset, data.length, options.blockSize))
    await takeTurn()
  }
  await disk.flush()
}

/** Looks through a disk that an earlier run left. */
export async function surveyDisk(disk: StorageProvider, options: FillOptions): Promise<void> {
  const takeTurn = turns(options)
  const buffer = new Uint8Array(Math.max(READ_BYTES, options.blockSize))
  for (let offset = 0; offset < disk.size; offset += buffer.length) {
    const length = await disk.readAt(buffer, offset)
    for (let at = 0; at < length; at += options.blockSize) {
      if (isZero(buffer.subarray(at, Math.min(at + options.blockSize, length)))) continue
      const block = firstBlock(offset + at, options.blockSize)
      options.found(block, block + 1)
    }
    await takeTurn()
  }
}

function turns({ signal, turn }: FillOptions): () => Promise<void> {
  let takenAt = systemClock.now()
  return async () => {
    if (systemClock.now() - takenAt < TURN_MS) return
    turn()
    await systemClock.yield()
    throwIfAborted(signal)
    takenAt = systemClock.now()
  }
}

function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) return false
  return true
}
