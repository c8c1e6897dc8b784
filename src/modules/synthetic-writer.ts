import { type Clock, systemClock } from '../async/clock.ts'
import { type Random, seededRandom } from '../async/random.ts'
import { checkInteger, InvalidArgumentError } from '../errors/invalid-argument-error.ts'
import type { StorageProvider } from '../storage/provider.ts'
import { zipfSampler } from './zipf.ts'

/** Where writes go: few places often, everywhere alike, or one after the other from the start. */
export type WritePattern = 'zipf' | 'uniform' | 'sequential'

/** Every {@link WritePattern}, for menus and parsers. */
export const WRITE_PATTERNS: readonly WritePattern[] = ['zipf', 'uniform', 'sequential']

/** Bytes per write: what most databases and file systems write at least. */
export const DEFAULT_WRITE_SIZE = 4096

/** Arrears beyond this are forgiven: after a pause or in a sleeping tab, a flood is not what a program at a steady rate would do. */
const LONGEST_ARREARS_MS = 250

/** Writes on storages that answer at once would hold the event loop; it gets a turn after this long. */
const TURN_MS = 4

/** Bytes of random data that all writes are cut from, at differing places. */
const NOISE_BYTES = 65536

/** What {@link SyntheticWriter} does. */
export interface SyntheticWriterOptions {
  /** 0 writes nothing. Kept on average over any second as long as the storage is fast enough. */
  readonly bytesPerSecond: number
  readonly pattern: WritePattern
  /** Bytes per write, and the alignment of its offset. Default {@link DEFAULT_WRITE_SIZE}. */
  readonly writeSize?: number
  /** The same seed writes the same bytes to the same places in the same order. Default 1. */
  readonly seed?: number
  /** Default the clock of the machine. */
  readonly clock?: Clock
}

/**
 * A program that writes to a disk at a steady rate, one write after the other, for demonstrations and rehearsals. It records how long the
 * storage made it wait, which is what a migration costs the application.
 *
 * Every write is different, so that a lost or a stale one shows in a comparison.
 */
export class SyntheticWriter {
  readonly #target: StorageProvider
  readonly #bytesPerSecond: number
  readonly #writeSize: number
  readonly #clock: Clock
  readonly #nextSlot: () => number
  readonly #noise: Uint8Array
  readonly #data: Uint8Array
  #bytesWritten = 0
  #writes = 0
  #longestWriteMs = 0
  #writingSince: number | undefined

  constructor(target: StorageProvider, options: SyntheticWriterOptions) {
    if (!Number.isFinite(options.bytesPerSecond) || options.bytesPerSecond < 0) {
      throw new InvalidArgumentError('bytesPerSecond', 'a finite number >= 0', options.bytesPerSecond)
    }
    this.#target = target
    this.#bytesPerSecond = options.bytesPerSecond
    this.#writeSize = Math.min(checkInteger('writeSize', options.writeSize ?? DEFAULT_WRITE_SIZE, 1), target.size)
    this.#clock = options.clock ?? systemClock
    const random = seededRandom(checkInteger('seed', options.seed ?? 1))
    this.#nextSlot = slotPicker(options.pattern, Math.ceil(target.size / this.#writeSize), random)
    this.#noise = new Uint8Array(NOISE_BYTES + this.#writeSize).map(() => random() * 256)
    this.#data = new Uint8Array(this.#writeSize)
  }

  /** Bytes of all writes that have ended. */
  get bytesWritten(): number {
    return this.#bytesWritten
  }

  /** Writes that have ended. */
  get writes(): number {
    return this.#writes
  }

  /** The longest time one write took, counting the one under way: the pause an application would have noticed. */
  get longestWriteMs(): number {
    const underWay = this.#writingSince === undefined ? 0 : this.#clock.now() - this.#writingSince
    return Math.max(this.#longestWriteMs, underWay)
  }

  /** Forgets the longest write so far, to measure a stretch of time by itself. */
  resetLongestWrite(): void {
    this.#longestWriteMs = 0
  }

  /**
   * Writes until the signal fires, then resolves once the write under way has ended. Rejects with the storage's failure.
   * One run at a time.
   */
  async run(signal: AbortSignal): Promise<void> {
    const msPerWrite = (this.#writeSize / this.#bytesPerSecond) * 1000
    let dueAt = this.#clock.now() + msPerWrite
    let turnEndsAt = this.#clock.now() + TURN_MS
    while (!signal.aborted) {
      const now = this.#clock.now()
      if (dueAt > now) {
        await this.#sleep(dueAt - now, signal)
        turnEndsAt = this.#clock.now() + TURN_MS
        continue
      }
      if (now >= turnEndsAt) {
        await this.#clock.yield()
        turnEndsAt = this.#clock.now() + TURN_MS
        if (signal.aborted) return
      }
      await this.#write()
      // Each deadline follows from the one before and not from now, so lateness of timers does not add up.
      dueAt = Math.max(dueAt + msPerWrite, this.#clock.now() - LONGEST_ARREARS_MS)
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    try {
      // Infinite at rate 0; timers take no more than 31 bits, and waking up once a minute costs nothing.
      await this.#clock.sleep(Math.min(ms, 60_000), signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  async #write(): Promise<void> {
    const offset = this.#nextSlot() * this.#writeSize
    const data = this.#data.subarray(0, Math.min(this.#writeSize, this.#target.size - offset))
    // An odd stride visits every place of the noise, so neighbours in time differ in each byte and not only in the number.
    const start = (this.#writes * 4099) % NOISE_BYTES
    data.set(this.#noise.subarray(start, start + data.length))
    if (data.length >= 8) new DataView(data.buffer).setFloat64(0, this.#writes, true)
    const startedAt = this.#clock.now()
    this.#writingSince = startedAt
    try {
      await this.#target.writeAt(data, offset)
    } finally {
      this.#writingSince = undefined
      this.#longestWriteMs = Math.max(this.#longestWriteMs, this.#clock.now() - startedAt)
    }
    this.#bytesWritten += data.length
    this.#writes++
  }
}

function slotPicker(pattern: WritePattern, slots: number, random: Random): () => number {
  switch (pattern) {
    case 'sequential': {
      let next = 0
      return () => {
        const slot = next
        next = (next + 1) % slots
        return slot
      }
    }
    case 'uniform':
      return () => Math.floor(random() * slots)
    case 'zipf': {
      const rank = zipfSampler(random, slots)
      const stride = scatterStride(slots)
      return () => Number((BigInt(rank()) * stride) % BigInt(slots))
    }
    default:
      throw new InvalidArgumentError('pattern', WRITE_PATTERNS.join(', '), pattern)
  }
}

/** A step coprime to the count near its golden section: multiplying ranks by it spreads the hot ones over the disk, each place hit once. */
function scatterStride(count: number): bigint {
  let stride = BigInt(Math.max(1, Math.floor(count * 0.6180339887498949)))
  while (greatestCommonDivisor(stride, BigInt(count)) !== 1n) stride++
  return stride
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : greatestCommonDivisor(b, a % b)
}
