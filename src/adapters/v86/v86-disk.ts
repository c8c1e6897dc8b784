import type { Clock } from '../../async/clock.ts'
import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'
import { errorMessage, StorageError } from '../../errors/storage-error.ts'
import { type AccessHooks, createDirtyTracker, type DirtyTracker } from '../../modules/dirty-tracker.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import { FlushClock } from './flush-clock.ts'
import type { V86Machine } from './machine.ts'
import { WriteBack } from './write-back.ts'

/** What goes wrong with a disk; the emulator has no way to hear of it. */
export interface V86DiskError {
  readonly error: unknown
  /** `restore`: a saved state was put back that belongs to other content of the disk. */
  readonly operation: 'read' | 'write' | 'flush' | 'restore'
}

/** What a disk tells. */
export interface V86DiskEvents {
  error: V86DiskError
  /** The guest has written for the first time since the disk was made or its machine saved: a state saved before does not fit it any more. */
  changed: { readonly generation: number }
}

/** How a disk is kept for a guest. */
export interface V86DiskOptions {
  /** Tells this disk from others in saved states. Default: a random one. */
  id?: string
  /** Of its content, as the disk told when the machine was saved. Default: 0. */
  generation?: number
  /** Bytes of a block that is tracked for a move. Default: 64 KiB. */
  blockSize?: number
  /** Such as those of a journal beside the disk. */
  hooks?: AccessHooks
  clock?: Clock
}

/** Version of what a saved state holds of the disk. */
const STATE_VERSION = 1
const BLOCK_BYTES = 2 ** 16
const SECTOR_BYTES = 512

/** An IDE disk counts its sectors in 31 bits. */
const LARGEST_BYTES = 2 ** 31 * SECTOR_BYTES

/**
 * Any storage as the hard disk of an emulated machine: pass `disk.image` as `hda`.
 *
 * The guest's writes are taken at once and stored in order behind its back, up to `WRITE_BACK_BYTES`; its reads see them. It is told that a flush has
 * succeeded without one, by the emulator; here one follows `FLUSH_MS` after a write, when the page goes, and with {@link flush}. A saved state holds
 * which disk it was and what generation of its content, never the content.
 *
 * The emulator's side, the methods with underscores, is called as v86 0.5.462 calls its own disks.
 */
export class V86Disk {
  readonly byteLength: number
  /** Set by the emulator. */
  onload: ((event: object) => void) | undefined
  onprogress: ((event: object) => void) | undefined
  readonly #options: V86DiskOptions
  readonly #listeners = new Map<keyof V86DiskEvents, Set<(event: never) => void>>()
  readonly #flushClock: FlushClock
  #tracker: DirtyTracker | undefined
  #writes: WriteBack | undefined
  #id: string | undefined
  #generation: number
  #isChanged = false
  #reads = 0
  #quiet: (() => void)[] = []
  /** The first sector, for whoever asks without waiting. */
  #firstSector: Uint8Array | undefined

  /** Whoever gives a size gives the storage later, by {@link attach}, before the guest runs. @throws InvalidArgumentError */
  constructor(storage: StorageProvider | { readonly size: number }, options: V86DiskOptions = {}) {
    const { size } = storage
    if (size < SECTOR_BYTES || size % SECTOR_BYTES !== 0 || size >= LARGEST_BYTES) {
      throw new InvalidArgumentError('size', `a multiple of ${SECTOR_BYTES} below ${LARGEST_BYTES}`, size)
    }
    this.byteLength = size
    this.#options = options
    this.#generation = options.generation ?? 0
    this.#flushClock = new FlushClock({ flush: () => this.#flushLater(), hurry: () => this.#hurry() }, options.clock)
    if ('readAt' in storage) {
      this.#id = options.id ?? crypto.randomUUID()
      this.attach(storage)
    } else this.#id = options.id
  }

  /** Gives the storage to a disk that was made with a size. */
  attach(storage: StorageProvider): void {
    if (this.#tracker) throw new StorageError('BUSY', 'The disk has its storage already.')
    if (storage.size !== this.byteLength) throw new StorageError('SIZE_MISMATCH')
    const { blockSize = BLOCK_BYTES, hooks } = this.#options
    this.#tracker = createDirtyTracker(storage, blockSize, ...(hooks ? [hooks] : []))
    this.#firstSector = undefined
    this.#writes = new WriteBack(this.#tracker.local, (error) => this.#tell('error', { error, operation: 'write' }))
  }

  /** What is passed to the emulator as `hda`; its types know no disks but its own. */
  get image(): { buffer: ArrayBuffer } {
    return this as unknown as { buffer: ArrayBuffer }
  }

  /** Two faces of the storage: the guest writes to the local one, a migration reads the remote one. */
  get tracker(): DirtyTracker {
    return this.#attached(this.#tracker)
  }

  get id(): string | undefined {
    return this.#id
  }

  /** Grows with each write of the guest. */
  get generation(): number {
    return this.#generation
  }

  /** Bytes that were taken from the guest and are not stored yet. */
  get pendingBytes(): number {
    return this.#writes?.pendingBytes ?? 0
  }

  /** Listens; returns the function that stops listening. */
  on<Type extends keyof V86DiskEvents>(type: Type, listener: (event: V86DiskEvents[Type]) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners)
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  /** Stops the guest when something goes wrong with the disk, before it finds out by itself. Returns the function that ends that. */
  stopOnError(machine: Pick<V86Machine, 'stop'>): () => void {
    return this.on('error', () => void machine.stop())
  }

  /** Tries again to store what could not be stored. */
  retry(): void {
    this.#writes?.retry()
  }

  /** Resolves when nothing that the guest asked for is under way any more: with the guest stopped, nobody touches disk or memory from here on. @throws why something could not be stored */
  async settle(): Promise<void> {
    while (this.#reads > 0 || this.pendingBytes > 0) {
      await this.#writes?.settled()
      if (this.#reads > 0) await new Promise<void>((resolve) => this.#quiet.push(resolve))
    }
  }

  /** Makes durable what the guest has written so far; does not wait for what it writes meanwhile. */
  async flush(): Promise<void> {
    await this.#writes?.settled()
    await this.#tracker?.local.flush()
  }

  /** Flushes, and lets the storage go; it stays open. */
  async close(): Promise<void> {
    this.#flushClock.end()
    await this.flush()
  }

  /** The state of the machine was saved with the disk as it is now. */
  markSaved(): void {
    this.#isChanged = false
  }

  load(): void {
    this.onload?.({})
  }

  get(start: number, length: number, reply: (data: Uint8Array) => void): void {
    const { readAtSync } = this.tracker.local
    if (readAtSync && this.pendingBytes === 0) {
      const data = new Uint8Array(length)
      try {
        readAtSync(data, start)
      } catch (error) {
        this.#tell('error', { error, operation: 'read' })
        return
      }
      reply(data)
      return
    }
    this.#reads++
    this.#attached(this.#writes)
      .read(start, length)
      // A read that failed has no answer: Linux asks again when it has waited for half a minute.
      .then(reply, (error: unknown) => this.#tell('error', { error, operation: 'read' }))
      .finally(() => {
        this.#reads--
        if (this.#reads === 0) for (const resolve of this.#quiet.splice(0)) resolve()
      })
  }

  set(start: number, data: Uint8Array, taken: () => void): void {
    this.#generation++
    if (start < SECTOR_BYTES) this.#firstSector?.set(data.subarray(0, SECTOR_BYTES - start), start)
    if (!this.#isChanged) {
      this.#isChanged = true
      this.#tell('changed', { generation: this.#generation })
    }
    this.#attached(this.#writes).write(start, data, taken)
    this.#flushClock.written()
  }

  /** Of a disk without its storage: zeroes, since what is read before a state is put back is replaced by it. */
  get_and_cache(start: number, length: number, reply: (data: Uint8Array) => void): void {
    const isFirst = start === 0 && length >= SECTOR_BYTES
    const keep = (data: Uint8Array) => {
      if (isFirst) this.#firstSector = data.slice(0, SECTOR_BYTES)
      reply(data)
    }
    if (this.#tracker) this.get(start, length, keep)
    else keep(new Uint8Array(length))
  }

  /** Asked for the first sector, by an emulator that wants to know the geometry; undefined makes it guess by the size. */
  get_from_cache(start: number, length: number): Uint8Array | undefined {
    return start + length <= SECTOR_BYTES ? this.#firstSector?.slice(start, start + length) : undefined
  }

  /** The emulator's "download this disk": too big, as its own large disks say; read the storage instead. */
  get_buffer(reply: (buffer?: ArrayBuffer) => void): void {
    reply()
  }

  get_state(): [version: number, id: string, generation: number] {
    return [STATE_VERSION, this.#id ?? '', this.#generation]
  }

  set_state(state: readonly unknown[]): void {
    const [version, id, generation] = state
    if (version !== STATE_VERSION || typeof id !== 'string' || typeof generation !== 'number') {
      const error = new StorageError('VERIFY_FAILED', 'The saved state was made with a disk of another kind.')
      this.#tell('error', { error, operation: 'restore' })
      return
    }
    // A disk that has come with its machine.
    this.#id ??= id
    if (this.#generation === 0) this.#generation = generation
    if (id === this.#id && generation === this.#generation) return
    const error = new StorageError('VERIFY_FAILED', 'The saved state belongs to other content than the disk has.', {
      context: { id, ours: this.#id, generation, ourGeneration: this.#generation },
    })
    this.#tell('error', { error, operation: 'restore' })
  }

  async #flushLater(): Promise<boolean> {
    this.#writes?.retry()
    try {
      await this.#writes?.settled()
    } catch {
      return false // What could not be written was told by itself.
    }
    try {
      await this.#tracker?.local.flush()
      return true
    } catch (error) {
      this.#tell('error', { error, operation: 'flush' })
      return false
    }
  }

  /** What is under way when a page goes ends all the same where the storage has been asked for it. */
  #hurry(): void {
    this.#writes?.hurry()
    this.#tracker?.local.flush().catch(() => {}) // Asked again, and told, by whoever waits for what was written.
  }

  #tell<Type extends keyof V86DiskEvents>(type: Type, event: V86DiskEvents[Type]): void {
    const listeners = [...(this.#listeners.get(type) ?? [])] as ((event: V86DiskEvents[Type]) => void)[]
    if (type === 'error' && listeners.length === 0) {
      // Nobody listens: a failure must not vanish.
      const { error, operation } = event as V86DiskError
      queueMicrotask(() => {
        throw new Error(`The guest's disk: ${operation} failed: ${errorMessage(error)}`, { cause: error })
      })
    }
    for (const listener of listeners) {
      try {
        listener(event)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  #attached<Part>(part: Part | undefined): Part {
    if (part === undefined) throw new StorageError('CLOSED', 'The disk has no storage yet.')
    return part
  }
}
