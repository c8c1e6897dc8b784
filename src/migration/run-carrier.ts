import { combineErrors } from '../errors/storage-error.ts'
import type { BlockOrder } from '../orders/block-order.ts'
import { type Failures, isLasting } from './failures.ts'
import { HandlerError } from './handler-error.ts'
import type { ActiveRun, InFlight } from './in-flight.ts'
import { ATTEMPTS, RETRY_DELAY_MS } from './limits.ts'
import type { CheckedConfig } from './migrator-config.ts'
import type { RunMover, TakeMore } from './run-mover.ts'

/** What a carrier works with, all of one migrator. */
export interface CarrierParts {
  readonly mover: RunMover
  readonly order: BlockOrder
  readonly inFlight: InFlight
  readonly failures: Failures
  readonly config: CheckedConfig
  /** Hears of neighbouring blocks that were stored; what it throws ends the migration. */
  readonly stored: (start: number, count: number, bytes: Uint8Array | undefined) => void
  /** Number of the round over dirty blocks, whose tracking is off until they are read again. */
  readonly round: () => number
  /** Hears that blocks that had been taken are in the order again, and the pass that took them may be over. */
  readonly returned: () => void
}

/**
 * Brings one run to the destination or says which of its blocks failed: waits for older copies, tries again after passing faults, and
 * looks at the blocks one by one when a run will not go.
 */
export class RunCarrier {
  readonly #parts: CarrierParts

  constructor(parts: CarrierParts) {
    this.#parts = parts
  }

  /**
   * Resolves when every block of the run is stored, back in the order (abort) or among the failures; resolves with the error that ends
   * the whole migration, if there is one. Never rejects.
   */
  async carry(run: ActiveRun, tookMore?: (blocks: number) => void): Promise<unknown> {
    const { inFlight, order, config } = this.#parts
    let fatal: unknown
    // Blocks still to be accounted for; whatever ends this early, they go back.
    let next = run.start
    try {
      for (let older = inFlight.olderOverlap(run); older; older = inFlight.olderOverlap(run)) await older.ended
      const error = await this.#attempts(run, run.count, tookMore)
      if (error === undefined) next = run.start + run.count
      else if (config.signal?.aborted) fatal = error
      else if (isLasting(error) || run.count === 1) {
        this.#fail(run.start, run.count, error)
        next = run.start + run.count
        if (isLasting(error)) fatal = error
      } else {
        while (next < run.start + run.count && fatal === undefined) fatal = await this.#single(next++, run.signal)
      }
    } catch (error) {
      fatal = error
    }
    for (; next < run.start + run.count; next++) order.add(next)
    return fatal
  }

  /** One block of a run that would not go; returns an error that ends the migration. */
  async #single(block: number, signal: AbortSignal | undefined): Promise<unknown> {
    const { mover, config, order } = this.#parts
    try {
      await mover.move(block, 1, {
        ...(signal ? { signal } : {}),
        stored: (_count, bytes) => this.#stored(block, 1, bytes),
      })
      return undefined
    } catch (error) {
      if (config.signal?.aborted || error instanceof HandlerError) {
        order.add(block)
        return error
      }
      this.#fail(block, 1, error)
      return isLasting(error) ? error : undefined
    }
  }

  /** Tries a run a few times; returns the last error. Blocks that a hole took along go back before another attempt. */
  async #attempts(run: ActiveRun, count: number, tookMore?: (blocks: number) => void): Promise<unknown> {
    const { mover, order, failures, config, inFlight } = this.#parts
    let askedInRound = this.#parts.round()
    const takeMore: TakeMore = (block, limit) => {
      // The answer may be older than the write that made a block dirty, and nothing tracks that block now: it must be looked at anew.
      if (this.#parts.round() !== askedInRound) return 0
      const taken = order.takeFrom(block, this.#unhindered(run, block, limit))
      run.count += taken
      tookMore?.(taken)
      return taken
    }
    for (let attempt = 1, delayMs = RETRY_DELAY_MS; ; attempt++, delayMs *= 2) {
      askedInRound = this.#parts.round()
      try {
        await mover.move(run.start, count, {
          ...(run.signal ? { signal: run.signal } : {}),
          takeMore,
          departs: (waited) => inFlight.departed(run, waited),
          stored: (moved, bytes) => this.#stored(run.start, moved, bytes),
        })
        return undefined
      } catch (error) {
        if (run.count > count) this.#parts.returned()
        for (; run.count > count; run.count--) order.add(run.start + run.count - 1)
        if (error instanceof HandlerError) throw error
        if (config.signal?.aborted || isLasting(error)) return error
        if (attempt >= ATTEMPTS || !failures.takeRetry()) return error
        await config.clock.sleep(delayMs, run.signal)
      }
    }
  }

  /** How far a run may grow without touching blocks that another run has under way. */
  #unhindered(run: ActiveRun, block: number, limit: number): number {
    let end = block + limit
    for (const other of this.#parts.inFlight.runs) {
      if (other !== run && other.start + other.count > block) end = Math.min(end, Math.max(block, other.start))
    }
    return end - block
  }

  #stored(start: number, count: number, bytes: Uint8Array | undefined): void {
    this.#parts.failures.stored(start, count)
    this.#parts.stored(start, count, bytes)
  }

  #fail(start: number, count: number, error: unknown): void {
    const { config, order, failures } = this.#parts
    try {
      config.errorHandler?.({ start, count, error })
    } catch (thrown) {
      for (let block = start; block < start + count; block++) order.add(block)
      throw new HandlerError(combineErrors(error, thrown))
    }
    for (let block = start; block < start + count; block++) {
      // What the handler put back gets another chance, for as long as there are retries.
      if (order.has(block) && failures.takeRetry()) this.#parts.returned()
      else {
        order.remove(block)
        failures.add(block, error)
      }
    }
  }
}
