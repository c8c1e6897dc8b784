import { type Clock, systemClock } from '../../async/clock.ts'
import { Bitfield } from '../../bitfield/bitfield.ts'
import { StorageError } from '../../errors/storage-error.ts'
import { DIGESTED_PAGE_BYTES, PageDigests } from '../../kernels/page-digests.ts'
import type { Extent } from '../../storage/provider.ts'
import { clipLength } from '../../storage/range.ts'
import type { TrackingStorageProvider } from '../../storage/tracking-provider.ts'
import { SCAN_MS, TURN_BYTES } from './limits.ts'
import { guestMemory, type V86Cpu } from './machine.ts'

/**
 * The memory of a guest, in pages of 4 KiB: at the source to be moved while the guest runs, at the destination to be filled while it does not.
 *
 * The emulator has no hook for writes. So what was read of each page is remembered by its digest, and {@link scan} looks which pages hold something
 * else by now. A page that changes and changes back is not dirty, and need not be. Between two scans `dirtyBlocks` is that of the first.
 */
export class V86Memory implements TrackingStorageProvider {
  readonly size: number
  readonly blockSize: number = DIGESTED_PAGE_BYTES
  readonly #cpu: V86Cpu
  readonly #isRunning: () => boolean
  readonly #clock: Clock
  readonly #pages: number
  readonly #digests: PageDigests
  readonly #tracked: Bitfield
  #dirty: Bitfield
  #dirtyBlocks = 0
  #isLocked = false
  /** Bytes read since the guest had its last turn. */
  #readBytes = 0
  #claim: (() => void) | undefined

  /** `isRunning`: whether the guest runs. @throws StorageError `NOT_SUPPORTED` */
  constructor(cpu: V86Cpu, isRunning: () => boolean, clock: Clock = systemClock) {
    const { length, byteOffset } = guestMemory(cpu)
    this.#cpu = cpu
    this.#isRunning = isRunning
    this.#clock = clock
    this.size = length
    this.#pages = length / DIGESTED_PAGE_BYTES
    this.#digests = new PageDigests(cpu.wasm_memory, this.#pages, byteOffset)
    this.#tracked = new Bitfield(this.#pages)
    this.#dirty = new Bitfield(this.#pages)
  }

  get dirtyBlocks(): number {
    return this.#dirtyBlocks
  }

  isDirty(block: number): boolean {
    return this.#dirty.test(block)
  }

  async readAt(target: Uint8Array, offset: number): Promise<number> {
    const length = clipLength(this.size, offset, target.length)
    await this.#giveTurns(length)
    const end = Math.ceil((offset + length) / DIGESTED_PAGE_BYTES)
    for (let page = Math.floor(offset / DIGESTED_PAGE_BYTES); page < end; page++) this.#reading(page)
    // In the same turn: what was noted is what is handed out.
    target.set(guestMemory(this.#cpu).subarray(offset, offset + length))
    return length
  }

  /** Of a guest that does not run. */
  async writeAt(data: Uint8Array, offset: number): Promise<number> {
    const length = clipLength(this.size, offset, data.length)
    this.#checkStopped()
    guestMemory(this.#cpu).set(length === data.length ? data : data.subarray(0, length), offset)
    return length
  }

  async zeroAt(offset: number, length: number): Promise<number> {
    const clipped = clipLength(this.size, offset, length)
    this.#checkStopped()
    guestMemory(this.#cpu).fill(0, offset, offset + clipped)
    return clipped
  }

  async extents(offset: number, length: number): Promise<readonly Extent[]> {
    const end = offset + clipLength(this.size, offset, length)
    const extents: { offset: number; length: number }[] = []
    for (let at = offset; at < end; ) {
      const page = Math.floor(at / DIGESTED_PAGE_BYTES)
      const next = Math.min(end, (page + 1) * DIGESTED_PAGE_BYTES)
      const last = extents.at(-1)
      // An answer "this is a hole" stands for a read of zeroes.
      if (this.#digests.isZero(page)) this.#reading(page)
      else if (last && last.offset + last.length === at) last.length = next - last.offset
      else extents.push({ offset: at, length: next - at })
      at = next
    }
    return extents
  }

  /** Looks for what has changed since it was read, a slice at a time, so that the guest goes on in between. */
  async scan(): Promise<void> {
    let startedAt = this.#clock.now()
    for (let page = 0; page < this.#pages; page = this.#look(page, page + SLICE_PAGES)) {
      if (this.#clock.now() - startedAt < SCAN_MS) continue
      await this.#clock.yield()
      startedAt = this.#clock.now()
    }
  }

  sync(): Bitfield {
    const taken = this.#dirty
    this.#dirty = new Bitfield(this.#pages)
    this.#dirtyBlocks = 0
    // A taken page is read again before it counts as sent, and that read notes it anew.
    this.#tracked.andNot(taken)
    return taken
  }

  trackAt(offset: number, length: number): void {
    const end = Math.ceil((offset + clipLength(this.size, offset, length)) / DIGESTED_PAGE_BYTES)
    for (let page = Math.floor(offset / DIGESTED_PAGE_BYTES); page < end; page++) {
      if (this.#tracked.set(page)) this.#digests.note(page)
    }
  }

  unrequiredBlocks(): undefined {
    return undefined
  }

  get isLocked(): boolean {
    return this.#isLocked
  }

  /** Looks at all of it a last time, at once: with the guest stopped, nobody waits for a turn. @throws StorageError `NOT_OWNER` while the guest runs */
  async lock(): Promise<void> {
    this.#checkStopped()
    this.#isLocked = true
    this.#look(0, this.#pages)
  }

  unlock(): void {
    this.#isLocked = false
  }

  claim(): () => void {
    if (this.#claim) throw new StorageError('BUSY')
    const giveBack = () => {
      if (this.#claim === giveBack) this.#claim = undefined
    }
    this.#claim = giveBack
    return giveBack
  }

  /** Memory survives no crash. */
  async flush(): Promise<void> {}

  /** The emulator keeps its memory. */
  async close(): Promise<void> {}

  cancelWrites(): void {}

  /** What the guest's memory costs to read is spread over its turns; a guest that is stopped waits for every byte. */
  async #giveTurns(length: number): Promise<void> {
    this.#readBytes += length
    while (this.#readBytes >= TURN_BYTES && this.#isRunning()) {
      this.#readBytes -= TURN_BYTES
      await this.#clock.yield()
    }
    if (!this.#isRunning()) this.#readBytes = 0
  }

  /** Returns where it stopped. */
  #look(from: number, to: number): number {
    const end = Math.min(to, this.#pages)
    for (
      let page = this.#tracked.nextSet(from, end);
      page >= 0 && page < end;
      page = this.#tracked.nextSet(page + 1, end)
    ) {
      if (!this.#dirty.test(page) && this.#digests.differs(page)) this.#mark(page)
    }
    return end
  }

  /** What the page holds now is handed out. A change that was not found yet must not be forgotten with the digest: somebody else may have read it before. */
  #reading(page: number): void {
    if (!this.#tracked.set(page) && !this.#dirty.test(page) && this.#digests.differs(page)) this.#mark(page)
    this.#digests.note(page)
  }

  #mark(page: number): void {
    this.#dirty.set(page)
    this.#dirtyBlocks++
  }

  #checkStopped(): void {
    if (this.#isRunning()) throw new StorageError('NOT_OWNER', 'The guest is running; stop it first.')
  }
}

/** A quarter of a millisecond's work at most. */
const SLICE_PAGES = 64
