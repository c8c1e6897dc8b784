import { RateMeter } from './progress.ts'

/** Running counts of a migration and the rates made of them: nothing is ever recounted. */
export class MoveCounts {
  /** Bytes stored at the destination, repetitions and zeroes included. */
  bytes = 0
  blocks = 0
  /** Blocks taken from the dirty set. */
  dirtied = 0
  readonly #sent = new RateMeter()
  readonly #dirty = new RateMeter()
  #roundStartedMs: number
  #roundBlocks = 0
  #msPerBlock: number | undefined

  constructor(nowMs: number) {
    this.#roundStartedMs = nowMs
  }

  /** A round begins: the cost of a block is measured anew, since a few scattered blocks cost more than long runs. */
  startRound(nowMs: number): void {
    this.#roundStartedMs = nowMs
    this.#roundBlocks = 0
  }

  /** Neighbouring blocks were stored. Zero blocks cost nothing and tell nothing of the cost of others. */
  stored(nowMs: number, moved: { blocks: number; bytes: number; zero: boolean }): void {
    this.blocks += moved.blocks
    this.bytes += moved.bytes
    if (moved.zero) return
    this.#roundBlocks += moved.blocks
    this.#msPerBlock = (nowMs - this.#roundStartedMs) / this.#roundBlocks
  }

  sample(nowMs: number, dirtyBlocks: number): void {
    this.#sent.note(nowMs, this.bytes)
    this.#dirty.note(nowMs, this.dirtied + dirtyBlocks)
  }

  get bytesPerSecond(): number {
    return this.#sent.perSecond
  }

  /** Blocks becoming dirty per second. */
  get dirtyPerSecond(): number {
    return this.#dirty.perSecond
  }

  /** What a block has cost in the latest round that moved one. */
  get msPerBlock(): number | undefined {
    return this.#msPerBlock
  }
}
