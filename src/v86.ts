/**
 * Guests of the emulator v86: any storage as their disk, and moving them while they run. Apart from `peer.ts`, so that a page without an emulator does not
 * pay for it.
 */
export { type Arrival, type ArriveOptions, arrive, type MachineOffer } from './adapters/v86/arrive.ts'
export type { V86Machine } from './adapters/v86/machine.ts'
export type { MachinePart } from './adapters/v86/machine-parts.ts'
export { saveMachine } from './adapters/v86/save-machine.ts'
export {
  type Teleported,
  type TeleportOptions,
  type TeleportPhase,
  type TeleportProgress,
  teleport,
} from './adapters/v86/teleport.ts'
export { V86Disk, type V86DiskError, type V86DiskEvents, type V86DiskOptions } from './adapters/v86/v86-disk.ts'
