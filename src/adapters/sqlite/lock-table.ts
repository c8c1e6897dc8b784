import { type Clock, systemClock } from '../../async/clock.ts'
import { TURNS_TO_TAKE_A_LOCK } from './limits.ts'

/** Locks of a database file, as SQLite counts them (https://www.sqlite.org/lockingv3.html). */
export const LOCK = { none: 0, shared: 1, reserved: 2, pending: 3, exclusive: 4 } as const

/** One of {@link LOCK}. */
export type LockLevel = (typeof LOCK)[keyof typeof LOCK]

/** Whoever opens the database: one for each connection. */
export interface LockHolder {
  level: LockLevel
  /** The instance of SQLite that it belongs to: while one of its connections waits for a lock, all of them do. */
  readonly instance: object
}

/** A lock that was not given: when to try again; undefined when waiting would keep away the very one that is waited for. */
export interface Refusal {
  readonly free: Promise<void> | undefined
}

const BUSY: Refusal = { free: undefined }

interface Waiting {
  readonly holder: LockHolder
  readonly wake: () => void
}

/**
 * Who may read and who may write a database, among the connections of this worker; others never get at the disk, since it is exclusive.
 *
 * A lock that cannot be had is refused at once, with a promise for the moment at which to try again: waiting inside of SQLite would keep everybody
 * else from running. Who waits longest writes next. Nobody waits whose instance of SQLite has another connection that is waited for, and who does
 * already is told to try, and fails, when it comes to that: two never wait for each other.
 */
export class LockTable {
  readonly #clock: Clock
  readonly #holders = new Set<LockHolder>()
  /** Has `reserved` or more. */
  #writer: LockHolder | undefined
  /** The writer has to wait until the readers have left. */
  #isBlocked = false
  #unblock = () => {}
  readonly #readers: Waiting[] = []
  readonly #writers: Waiting[] = []
  #isWaking = false
  #pauses = 0
  readonly #idle: (() => void)[] = []

  constructor(clock: Clock = systemClock) {
    this.#clock = clock
  }

  /** Whether somebody has `reserved` or more. */
  get isReserved(): boolean {
    return this.#writer !== undefined
  }

  /** Undefined when the lock was given. */
  lock(holder: LockHolder, level: LockLevel): Refusal | undefined {
    if (level <= holder.level) return undefined
    if (level === LOCK.shared) {
      if (this.#writer && this.#writer.level >= LOCK.pending) return this.#refuse(this.#readers, holder)
      this.#holders.add(holder)
      holder.level = LOCK.shared
      return undefined
    }
    if (this.#writer !== holder) {
      if (this.#writer || this.#pauses > 0) return this.#refuse(this.#writers, holder)
      this.#writer = holder
    }
    if (level === LOCK.reserved) {
      holder.level = LOCK.reserved
      return undefined
    }
    if (this.#holders.size === 1) {
      holder.level = LOCK.exclusive
      return undefined
    }
    holder.level = LOCK.pending
    this.#isBlocked = true
    for (const waiting of this.#writers.filter((writer) => !this.#mayWait(writer))) {
      this.#writers.splice(this.#writers.indexOf(waiting), 1)
      waiting.wake()
    }
    if ([...this.#holders].some((reader) => reader !== holder && reader.instance === holder.instance)) return BUSY
    return {
      free: new Promise((resolve) => {
        this.#unblock = resolve
      }),
    }
  }

  /** Lowers a lock to `shared` or `none`. */
  unlock(holder: LockHolder, level: LockLevel): void {
    if (level >= holder.level) return
    holder.level = level
    if (level === LOCK.none) this.#holders.delete(holder)
    if (this.#writer === holder) {
      this.#writer = undefined
      this.#isBlocked = false
      for (const idle of this.#idle.splice(0)) idle()
      for (const { wake } of this.#readers.splice(0)) wake()
      void this.#wakeWriters()
    } else if (this.#isBlocked && this.#holders.size === 1) {
      this.#isBlocked = false
      this.#unblock()
    }
  }

  /** Lets no new writer begin, and resolves when none is left. Readers go on. */
  pause(): Promise<void> {
    this.#pauses++
    return this.#writer ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve()
  }

  /** Ends a pause. */
  resume(): void {
    this.#pauses--
    void this.#wakeWriters()
  }

  #refuse(list: Waiting[], holder: LockHolder): Refusal {
    if (!this.#mayWait({ holder })) return BUSY
    return { free: new Promise((resolve) => list.push({ holder, wake: () => resolve() })) }
  }

  /** Whether nobody of the same instance has to go on first. */
  #mayWait({ holder: { instance } }: Pick<Waiting, 'holder'>): boolean {
    if (this.#writer?.instance === instance) return false
    return !this.#isBlocked || ![...this.#holders].some((reader) => reader.instance === instance)
  }

  /** One after the other; the next one also if one does not want to any more. */
  async #wakeWriters(): Promise<void> {
    if (this.#isWaking) return
    this.#isWaking = true
    try {
      while (this.#writers.length > 0 && this.#pauses === 0 && !this.#writer) {
        this.#writers.shift()!.wake()
        for (let turn = 0; turn < TURNS_TO_TAKE_A_LOCK && !this.#writer; turn++) await this.#clock.yield()
      }
    } finally {
      this.#isWaking = false
    }
  }
}
