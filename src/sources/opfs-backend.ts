import type { Clock } from '../async/clock.ts'
import type { EarlyEvents } from './early-events.ts'

/** How the bytes of an OPFS disk are reached from this context. Ranges are inside the disk; a call completes its range or rejects. */
export interface OpfsBackend {
  readonly size: number
  read(target: Uint8Array, offset: number): Promise<void>
  /** Calls take effect in the order they are issued. */
  write(data: Uint8Array, offset: number): Promise<void>
  flush(): Promise<void>
  /** Flushes and gives the file back to other tabs; the next call takes it again. */
  release(): Promise<void>
  close(): Promise<void>
  /** The same without waiting, where the file can be reached so. */
  readonly immediate?: ImmediateBackend
}

/** The synchronous calls of an {@link OpfsBackend}. They throw `LOCKED` between `release` and the next asynchronous call. */
export interface ImmediateBackend {
  read(target: Uint8Array, offset: number): void
  write(data: Uint8Array, offset: number): void
  flush(): void
}

/** What a backend needs to open a disk. */
export interface BackendOptions {
  /** Bytes; creates the disk where there is none. Undefined: it must exist. */
  readonly size: number | undefined
  readonly lockTimeoutMs: number
  readonly clock: Clock
  readonly events: EarlyEvents
}
