import { GuestHold } from './guest-hold.ts'
import type { V86Machine } from './machine.ts'
import type { V86Disk } from './v86-disk.ts'

/**
 * Saves the whole machine but for the content of its disk, to begin there another time: `initial_state` of an emulator that is made with the same options and with
 * the disk as it is now, `id` and `generation` included. The guest stands still meanwhile, a fraction of a second. Once the disk tells `changed`, what was
 * saved does not fit it any more.
 *
 * `meanwhile` is called before the guest goes on, with everything stored: what is to be kept together with the state, such as a copy of the disk and its
 * `generation`, must be read in there.
 * @throws why the disk could not be flushed, what `meanwhile` throws; the guest goes on. StorageError `NOT_OWNER` for a machine that was moved away
 */
export async function saveMachine(
  emulator: V86Machine,
  disk: V86Disk,
  meanwhile?: () => Promise<void>,
): Promise<ArrayBuffer> {
  const hold = await GuestHold.take(emulator)
  try {
    await disk.settle()
    await disk.flush()
    const state = await emulator.save_state()
    await meanwhile?.()
    disk.markSaved()
    return state
  } finally {
    await hold.release()
  }
}
