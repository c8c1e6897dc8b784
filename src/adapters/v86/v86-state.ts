import { StorageError } from '../../errors/storage-error.ts'
import { createDirtyTracker, type DirtyTracker } from '../../modules/dirty-tracker.ts'
import { MemoryStorage } from '../../sources/memory.ts'
import type { TrackingStorageProvider } from '../../storage/tracking-provider.ts'
import { STATE_ROOM } from './limits.ts'
import type { V86Cpu, V86Machine } from './machine.ts'
import { type SavedState, saveWithoutMemory, takeApart } from './saved-state.ts'
import { layOut } from './state-image.ts'

/** Bytes of a block of the state. */
export const STATE_BLOCK_BYTES = 4096

/** Sizes are rounded to this, so that the same machine has the same size each time. */
const STEP_BYTES = 2 ** 18

/**
 * The state of a machine but for memory and disk, processor and devices and the memory of the screen, as one more disk: a first copy moves
 * ahead while the guest runs, and once it is stopped {@link take} finds the few pages that changed.
 */
export class V86State {
  readonly #machine: V86Machine
  readonly #cpu: V86Cpu
  readonly #tracker: DirtyTracker
  #image: Uint8Array

  private constructor(machine: V86Machine, cpu: V86Cpu, image: Uint8Array) {
    this.#machine = machine
    this.#cpu = cpu
    this.#image = image
    const size = Math.ceil((image.length * (1 + STATE_ROOM)) / STEP_BYTES) * STEP_BYTES
    this.#tracker = createDirtyTracker(new MemoryStorage(size), STATE_BLOCK_BYTES)
    this.#tracker.local.writeAtSync!(image, 0)
  }

  /** Also of a guest that runs: between two of its turns. @throws StorageError `NOT_SUPPORTED` */
  static async of(machine: V86Machine, cpu: V86Cpu): Promise<{ state: V86State; saved: SavedState }> {
    const saved = takeApart(await saveWithoutMemory(machine, cpu))
    return { state: new V86State(machine, cpu, layOut(saved)), saved }
  }

  /** For the migration. */
  get source(): TrackingStorageProvider {
    return this.#tracker.remote
  }

  /** Saves anew; only what differs from before becomes dirty. @throws StorageError `LIMIT_EXCEEDED` when the state has outgrown its place, `NOT_SUPPORTED` */
  async take(): Promise<void> {
    const image = layOut(takeApart(await saveWithoutMemory(this.#machine, this.#cpu)))
    if (image.length > this.source.size) {
      throw new StorageError('LIMIT_EXCEEDED', 'The state of the machine has grown too much on its way; move it again.')
    }
    const before = this.#image
    const old = new Int32Array(before.buffer, 0, before.length / 4)
    const now = new Int32Array(image.buffer, 0, image.length / 4)
    for (let at = 0; at < image.length; at += STATE_BLOCK_BYTES) {
      if (isSame(old, now, at / 4)) continue
      this.#tracker.local.writeAtSync!(image.subarray(at, at + STATE_BLOCK_BYTES), at)
    }
    this.#image = image
  }
}

/** Whether a block is the same in both; not where one is shorter. */
function isSame(old: Int32Array, now: Int32Array, from: number): boolean {
  const end = from + STATE_BLOCK_BYTES / 4
  for (let word = from; word < end; word++) if (old[word] !== now[word]) return false
  return true
}
