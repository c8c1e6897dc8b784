import { throwIfAborted } from '../async/abort.ts'
import type { Bitfield } from '../bitfield/bitfield.ts'
import { StorageError } from '../errors/storage-error.ts'
import { WAITING_CALLS } from './limits.ts'

/** Who writes: the application here, or whoever brings blocks. */
export type WriteSide = 'local' | 'remote'

/** The right to write some blocks, or the place of a write that waits for it. */
export interface WriteTurn {
  readonly start: number
  readonly end: number
  readonly side: WriteSide
  /** From here on the write is under way: nothing it conflicts with is. */
  granted: boolean
  /** Blocks that were invalidated since the write was called: what it brings of them is out of date. */
  stale: Set<number> | undefined
  wake: (() => void) | undefined
}

/**
 * Which writes may be under way together. A local and a remote write of one block never are, nor two remote ones: they go in the order they were
 * called in. Local writes pass each other; the storage below orders them as it would without us. Writes of other blocks are not held up.
 */
export class WaitingCacheOrder {
  /** In the order of the calls. */
  readonly #turns = new Set<WriteTurn>()
  #remote = 0
  #waiting = 0
  /** Called once no write is under way or waiting. */
  onIdle: (() => void) | undefined

  get isIdle(): boolean {
    return this.#turns.size === 0
  }

  /** Whether a write of these blocks would have to wait. */
  conflicts(start: number, end: number, side: WriteSide, before?: WriteTurn): boolean {
    if (side === 'local' && this.#remote === 0) return false
    for (const turn of this.#turns) {
      if (turn === before) return false
      if (turn.start < end && start < turn.end && (side === 'remote' || turn.side === 'remote')) return true
    }
    return false
  }

  /** Takes a turn, granted at once or to be waited for with {@link granted}; give it back with {@link leave} in a `finally`. */
  enter(start: number, end: number, side: WriteSide): WriteTurn {
    const granted = !this.conflicts(start, end, side)
    const turn: WriteTurn = { start, end, side, granted, stale: undefined, wake: undefined }
    this.#turns.add(turn)
    if (side === 'remote') this.#remote++
    if (!granted) this.#waiting++
    return turn
  }

  /** Resolves when the turn has come. Rejects with `ABORTED`. */
  async granted(turn: WriteTurn, signal: AbortSignal | undefined): Promise<void> {
    if (turn.granted) return
    await orAborted(new Promise<void>((resolve) => (turn.wake = resolve)), signal)
  }

  leave(turn: WriteTurn): void {
    if (!this.#turns.delete(turn)) return
    if (turn.side === 'remote') this.#remote--
    if (!turn.granted) this.#waiting--
    if (this.#waiting > 0) this.#grant()
    if (this.#turns.size === 0) this.onIdle?.()
  }

  /** Blocks cut where writes under way begin and end, so that one piece waiting holds up no other. */
  pieces(start: number, end: number): [number, number][] {
    const borders = new Set([start, end])
    for (const turn of this.#turns) {
      if (turn.start >= end || turn.end <= start) continue
      borders.add(Math.max(turn.start, start)).add(Math.min(turn.end, end))
    }
    const sorted = [...borders].sort((a, b) => a - b)
    return sorted.slice(1).map((border, index) => [sorted[index]!, border])
  }

  /** What remote writes called before now bring of these blocks is out of date. */
  outdate(blocks: Bitfield): void {
    if (this.#remote === 0) return
    for (const turn of this.#turns) {
      if (turn.side !== 'remote') continue
      for (let block = blocks.nextSet(turn.start, turn.end); block >= 0; block = blocks.nextSet(block + 1, turn.end)) {
        turn.stale ??= new Set()
        turn.stale.add(block)
      }
    }
  }

  #grant(): void {
    for (const turn of this.#turns) {
      if (turn.granted || this.conflicts(turn.start, turn.end, turn.side, turn)) continue
      turn.granted = true
      this.#waiting--
      turn.wake?.()
    }
  }
}

interface Place {
  readonly offset: number
  readonly end: number
  readonly gone: Promise<void>
  readonly leave: () => void
}

/** Local writes that could not begin yet. A newer write to bytes of one of them waits behind it, so that the newer one wins. */
export class WaitingCacheLine {
  readonly #places = new Set<Place>()

  get calls(): number {
    return this.#places.size
  }

  /** Whether a write of these bytes would have to queue. */
  isBefore(offset: number, length: number): boolean {
    for (const place of this.#places) if (place.offset < offset + length && offset < place.end) return true
    return false
  }

  /** Queues; resolves with the function to call once the write has begun, or will not. Rejects with `ABORTED` or `LIMIT_EXCEEDED`. */
  async join(offset: number, length: number, signal: AbortSignal | undefined): Promise<() => void> {
    throwIfAborted(signal)
    if (this.#places.size >= WAITING_CALLS) {
      throw new StorageError('LIMIT_EXCEEDED', `More than ${WAITING_CALLS} writes wait for blocks to arrive.`)
    }
    const before = [...this.#places].filter((place) => place.offset < offset + length && offset < place.end)
    let left = () => {}
    const gone = new Promise<void>((resolve) => (left = resolve))
    const place: Place = {
      offset,
      end: offset + length,
      gone,
      leave: () => {
        this.#places.delete(place)
        left()
      },
    }
    this.#places.add(place)
    try {
      for (const { gone } of before) await orAborted(gone, signal)
    } catch (error) {
      place.leave()
      throw error
    }
    return place.leave
  }
}

/** The promise, or a rejection with `ABORTED` when the signal fires first. */
function orAborted(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    throwIfAborted(signal)
    const stop = () => reject(new StorageError('ABORTED', undefined, { cause: signal.reason }))
    signal.addEventListener('abort', stop, { once: true })
    promise.then(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    })
  })
}
