import type { StorageProvider } from '../storage/provider.ts'
import type { HandOverParty } from './hand-over-requests.ts'
import type { DevInfo } from './packets/dev-info.ts'
import type { Event } from './packets/event.ts'
import type { PatchedBlocks } from './patched-blocks.ts'

/** Where the blocks of a device go, and who hears the rest. What a member throws is the answer to the request. */
export interface ArrivingDevice {
  /** Takes what is written and answers reads; as large as was announced. */
  readonly provider: StorageProvider
  /**
   * Stores whole blocks that are what their tags say, see `write-checked`, and nothing else. Without it they are not looked at.
   * @throws StorageError `DAMAGED`, and what `writeAt` throws
   */
  readonly writeChecked?: (data: Uint8Array, offset: number, tags: Uint8Array) => Promise<number>
  /**
   * Changes pieces of whole blocks that are here, if they become what their digests of 16 bytes say; see `write-patch`. Without it that is refused.
   * @throws StorageError `DAMAGED`, and what `writeAt` throws
   */
  readonly writePatched?: (blocks: PatchedBlocks) => Promise<void>
  /** The source wrote these blocks after it sent them. */
  readonly invalidate?: (blocks: Uint32Array) => Promise<void> | void
  /** The source says that this range is here already. */
  readonly available?: (offset: number, length: number) => void
  readonly event?: (event: Event) => Promise<void> | void
  /** SHA-256 digests of blocks, 32 bytes each. */
  readonly hashes?: (blocks: Uint32Array, digests: Uint8Array) => Promise<void> | void
  /** The root at the source; answers with the root here. */
  readonly root?: (blockSize: number, digest: Uint8Array) => Promise<Uint8Array>
  /** Takes the disk over in two phases. */
  readonly handOver?: HandOverParty
}

/** Makes a place for a device that a peer announces; what it rejects with ends the connection. */
export type DeviceFactory = (info: DevInfo) => Promise<ArrivingDevice> | ArrivingDevice
