import { type Clock, systemClock } from '../async/clock.ts'
import { errorCode } from '../errors/storage-error.ts'

/** Waits between attempts to reach a peer: short at first, since most links are back at once. */
const FIRST_WAIT_MS = 50
const LONGEST_WAIT_MS = 2000

/** Whether a failure is that of a link, which may be back soon, and not the peer's last word. */
export function isLoss(error: unknown): boolean {
  const code = errorCode(error)
  return code === 'PEER_LOST' || code === 'OPEN_FAILED' || code === 'BUSY' || code === 'CLOSED'
}

/** How long a lost peer is waited for. */
export class Patience {
  readonly #ms: number
  readonly #clock: Clock
  #since: number | undefined
  #waitMs = FIRST_WAIT_MS

  /** `ms`: 0 gives up at once. */
  constructor(ms: number, clock: Clock = systemClock) {
    this.#ms = ms
    this.#clock = clock
  }

  /** The peer is there: from its next loss on the time is counted anew. */
  renew(): void {
    this.#since = undefined
    this.#waitMs = FIRST_WAIT_MS
  }

  /** What is left of it, in milliseconds. */
  get leftMs(): number {
    this.#since ??= this.#clock.now()
    return Math.max(0, this.#since + this.#ms - this.#clock.now())
  }

  /** Waits before the next attempt. @throws `error` when it was no loss, when the time is up, or the signal fires */
  async pause(error: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted || !isLoss(error) || this.leftMs === 0) throw error
    const ms = Math.min(this.#waitMs, this.leftMs)
    this.#waitMs = Math.min(this.#waitMs * 2, LONGEST_WAIT_MS)
    await this.#clock.sleep(ms, signal).catch(() => {
      throw error
    })
  }
}
