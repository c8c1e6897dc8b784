import { StorageError } from '../errors/storage-error.ts'

/**
 * When a connection counts as let in: once it is a channel, or only when the owner says so, because peers have to prove something first. Until
 * then it may be cut off to make room for another: `STANDING_CONNECTIONS` may wait at once. Default: `at-once`.
 */
export type Admission = 'at-once' | 'by-owner'

/** A connection that nobody has let in yet. */
interface Standing {
  readonly cut: () => void
  /** Whether it has said anything yet. */
  readonly hasSpoken: () => boolean
}

/**
 * Connections that nobody has let in yet. There is room for a few, and one that comes to a full doorstep pushes out whoever has stood there
 * longest, of those who have said nothing if there are any: so many who only sit there cannot keep out one that proves itself, though on a busy
 * machine it takes a while to.
 */
export class Doorstep {
  readonly #limit: number
  /** The longest there first. */
  readonly #standing = new Map<string, Standing>()

  constructor(limit: number) {
    this.#limit = limit
  }

  /** A connection has come, or what cuts it has changed; `peer` is told from all others by its address and port. */
  stand(peer: string, standing: Standing): void {
    if (!this.#standing.has(peer) && this.#standing.size >= this.#limit) {
      const all = [...this.#standing]
      const [leaving] = all.find(([, { hasSpoken }]) => !hasSpoken()) ?? all[0]!
      this.#cut(leaving)
    }
    this.#standing.set(peer, standing)
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
    const standing = this.#standing.get(peer)
    this.#standing.delete(peer)
    standing?.cut()
  }
}

/** Why somebody was cut off who was not let in. */
export function pushedOut(): StorageError {
  return new StorageError('LIMIT_EXCEEDED', 'Others came while it had proved nothing yet.')
}
