import { StorageError } from '../errors/storage-error.ts'

/**
 * When a connection counts as let in: once it is a channel, or only when the owner says so, because peers have to prove something first. Until
 * then it may be cut off to make room for another: `STANDING_CONNECTIONS` may wait at once. Default: `at-once`.
 */
export type Admission = 'at-once' | 'by-owner'

/**
 * Connections that nobody has let in yet. There is room for a few, and one that comes to a full doorstep pushes out whoever has stood there
 * longest: so many who only sit there cannot keep out one that proves itself at once.
 */
export class Doorstep {
  readonly #limit: number
  /** How to cut each, the longest there first. */
  readonly #standing = new Map<string, () => void>()

  constructor(limit: number) {
    this.#limit = limit
  }

  /** A connection has come, or what cuts it has changed; `peer` is told from all others by its address and port. */
  stand(peer: string, cut: () => void): void {
    if (!this.#standing.has(peer) && this.#standing.size >= this.#limit) {
      const [longest] = this.#standing.keys()
      this.#cut(longest!)
    }
    this.#standing.set(peer, cut)
  }

  /** It was let in, or is gone. */
  leave(peer: string): void {
    this.#standing.delete(peer)
  }

  /** Nobody is let in any more. */
  clear(): void {
    for (const peer of this.#standing.keys()) this.#cut(peer)
  }

  #cut(peer: string): void {
    const cut = this.#standing.get(peer)
    this.#standing.delete(peer)
    cut?.()
  }
}

/** Why somebody was cut off who was not let in. */
export function pushedOut(): StorageError {
  return new StorageError('LIMIT_EXCEEDED', 'Others came while it had proved nothing yet.')
}
