import type { StorageProvider } from '../../src/storage/provider.ts'

const WRITE_BYTES = 4096

/** How {@link PacedWriter} writes. */
export interface PacedWriterOptions {
  readonly blockSize: number
  /** Blocks that become dirty in a millisecond, as far as the disk lets it. */
  readonly blocksPerMs: number
  /** Milliseconds since a start that whoever compares them knows. */
  readonly now: () => number
}

/**
 * A program that changes one block after the other all over a disk, none twice before all have had their turn, at a fixed rate: what it could not
 * write while it waited it does not make up for. Each write waits for the one before, as one thread of a program does.
 */
export class PacedWriter {
  readonly #disk: StorageProvider
  readonly #options: PacedWriterOptions
  #isRunning = true
  /** The longest that a write has taken. */
  longestMs = 0
  writes = 0

  constructor(disk: StorageProvider, options: PacedWriterOptions) {
    this.#disk = disk
    this.#options = options
  }

  /** Resolves after {@link stop}, once the write under way has ended. */
  async run(): Promise<void> {
    const { blockSize, blocksPerMs, now } = this.#options
    const blocks = Math.ceil(this.#disk.size / blockSize)
    const step = stepThrough(blocks)
    const data = new Uint8Array(WRITE_BYTES)
    let block = 0
    let beganAt = now()
    let due = 0
    while (this.#isRunning) {
      // A pause of the whole thread is not made up for, or the rate behind it would be another one.
      due = Math.min(due + (now() - beganAt) * blocksPerMs, Math.max(1, 4 * blocksPerMs))
      beganAt = now()
      for (; due >= 1 && this.#isRunning; due--) {
        block = (block + step) % blocks
        data.fill(this.writes & 255)
        await this.#write(data, block * blockSize)
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  stop(): void {
    this.#isRunning = false
  }

  async #write(data: Uint8Array, offset: number): Promise<void> {
    const { now } = this.#options
    const calledAt = now()
    await this.#disk.writeAt(data, offset)
    this.longestMs = Math.max(this.longestMs, now() - calledAt)
    this.writes++
  }
}

/** Steps of about the golden ratio of the whole: far apart, and each block has its turn. */
function stepThrough(blocks: number): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b))
  let step = Math.max(1, Math.floor(blocks * 0.6180339887))
  while (divisor(blocks, step) !== 1) step++
  return step
}
