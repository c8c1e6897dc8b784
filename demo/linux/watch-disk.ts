import { encodeError } from '../../src/errors/wire.ts'
import type { MachineView } from './machine-view.ts'
import type { Machine } from './running-machine.ts'
import { diskFailed } from './sentences.ts'

/** Stops a guest whose disk fails, before it finds out by itself, and says why. To be called before it runs. */
export function watchDisk({ emulator, disk }: Machine, view: MachineView): void {
  disk.stopOnError(emulator)
  disk.on('error', ({ error }) => view.say(diskFailed(encodeError(error))))
}
