import { throwIfAborted } from '../../async/abort.ts'
import { type Clock, systemClock } from '../../async/clock.ts'
import { SHARE_MS, TURN_MS } from './limits.ts'

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

/** Who waited and comes next: alone, since it cannot wait once more, and before a pause. */
interface Pass {
  readonly holder: LockHolder
  end(): void
}

/**
 * Who may read and who may write a database, among the connections of this worker; others never get at the disk, since it is exclusive.
 *
 * A lock that cannot be had is refused at once, with a promise for the moment at which to try again: waiting inside of SQLite would keep everybody
 * else from running. Whoever tries again gets it, since `sqlite3.step` tries only twice; who waits longest writes next. Nobody waits whose
 * instance of SQLite has another connection that is waited for, and who does already is told to try, and fails, when it comes to that: two never wait
 * for each other.
 */
export class LockTable {
  readonly #clock: Clock
  readonly #holders = new Set<LockHolder>()
  /** Has `reserved` or more. */
  #writer: LockHolder | undefined
  /** Waits to write, and comes when readers have left; or wrote and gave up its locks, since readers were in its way. */
  #claimant: LockHolder | undefined
  #pass: Pass | undefined
  /** The writer had waited before, and would not wait for readers once more. */
  #isAlone = false
  /** The writer or the claimant has to wait until the readers have left. */
  #isBlocked = false
  #unblock = () => {}
  readonly #readers: Waiting[] = []
  readonly #writers: Waiting[] = []
  #pauses = 0
  /** A pause has begun: nobody writes. */
  #isQuiet = false
  readonly #idle = new Set<() => void>()
  readonly #calm = new Set<() => void>()
  /** That was waited for in vain, and has not been since. */
  #isNeverCalm = false
  #isShared = false
  #probe: Promise<void> | undefined
  #turnAt = 0
  #isGivingWay = false

  constructor(clock: Clock = systemClock) {
    this.#clock = clock
  }

  /** Whether somebody has `reserved` or more. */
  get isReserved(): boolean {
    return this.#writer !== undefined
  }

  /** Nobody may begin to write just now. */
  get isPaused(): boolean {
    return this.#pauses > 0
  }

  /** Undefined when the lock was given. */
  lock(holder: LockHolder, level: LockLevel): Refusal | undefined {
    if (level <= holder.level) return undefined
    if (level === LOCK.shared) {
      if (!this.#mayRead(holder) || this.#isHoggingBy(holder)) return this.#refuse(this.#readers, holder)
      this.#holders.add(holder)
      holder.level = LOCK.shared
      return undefined
    }
    if (this.#writer !== holder) {
      if (!this.#mayWrite(holder)) return this.#refuse(this.#writers, holder)
      this.#writer = holder
      this.#isAlone = this.#pass !== undefined
      this.#pass?.end()
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
    return this.#waitForReaders(holder)
  }

  /** Lowers a lock to `shared` or `none`. */
  unlock(holder: LockHolder, level: LockLevel): void {
    if (level >= holder.level) return
    holder.level = level
    if (level === LOCK.none) this.#holders.delete(holder)
    if (this.#holders.size === 0) {
      this.#isNeverCalm = false
      for (const isCalm of this.#calm) isCalm()
    }
    if (this.#writer === holder) {
      this.#writer = undefined
      if (this.#isBlocked) this.#claimant = holder
      else this.#next()
    } else if (this.#pass?.holder === holder && level === LOCK.none) {
      this.#pass.end()
    }
    this.#endBlock()
  }

  /** Lets no new writer begin, and resolves when none is left. Readers go on. @throws StorageError `ABORTED`, and there is no pause */
  async pause(signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    this.#pauses++
    if (!this.#writer && !this.#claimant && !this.#pass) this.#isQuiet = true
    if (this.#isQuiet) return
    await new Promise<void>((resolve) => {
      const settle = () => {
        signal?.removeEventListener('abort', settle)
        this.#idle.delete(settle)
        resolve()
      }
      this.#idle.add(settle)
      signal?.addEventListener('abort', settle)
    })
    if (!signal?.aborted) return
    this.resume()
    throwIfAborted(signal)
  }

  /** Ends a pause. */
  resume(): void {
    this.#pauses--
    if (this.#pauses === 0) this.#isQuiet = false
    this.#next()
  }

  /**
   * Whether something else needs this thread, such as a move of the disk: connections of which one statement follows the other without a break, as they
   * do over storages that answer at once, then make breaks.
   */
  share(isShared: boolean): void {
    this.#isShared = isShared
    this.#turnAt = this.#clock.now()
  }

  /** Resolves when no statement is under way, or after so many milliseconds: then at once until there was such a moment, so that an open transaction is waited for once. */
  async calm(withinMs: number): Promise<void> {
    if (this.#holders.size === 0 || this.#isNeverCalm) return
    const over = new AbortController()
    const isCalm = () => over.abort()
    this.#calm.add(isCalm)
    await this.#clock.sleep(withinMs, over.signal).catch(() => {}) // It is calm.
    this.#calm.delete(isCalm)
    this.#isNeverCalm = this.#holders.size > 0 && !over.signal.aborted
  }

  /** Whether nothing but SQLite has run for a while; if so, others run now. */
  #isHoggingBy(holder: LockHolder): boolean {
    if (!this.#isShared || this.#pass?.holder === holder) return false
    this.#probe ??= this.#clock.yield().then(() => {
      this.#probe = undefined
      this.#turnAt = this.#clock.now()
    })
    if (this.#clock.now() - this.#turnAt < SHARE_MS || !this.#mayWait(holder)) return false
    if (this.#isGivingWay) return true
    this.#isGivingWay = true
    void this.#clock.sleep(SHARE_MS).then(() => {
      this.#isGivingWay = false
      this.#next()
    })
    return true
  }

  #mayRead(holder: LockHolder): boolean {
    if (this.#writer && (this.#isAlone || this.#writer.level >= LOCK.pending)) return false
    const first = this.#claimant ?? this.#pass?.holder
    return !first || first === holder
  }

  #mayWrite(holder: LockHolder): boolean {
    if (this.#writer) return false
    const first = this.#claimant ?? this.#pass?.holder
    return first ? first === holder : this.#pauses === 0
  }

  #refuse(list: Waiting[], holder: LockHolder): Refusal {
    if (!this.#mayWait(holder)) return BUSY
    return { free: new Promise((resolve) => list.push({ holder, wake: () => resolve() })) }
  }

  #waitForReaders(holder: LockHolder): Refusal {
    // Nobody who cannot wait comes again by itself.
    if (this.#hasReaderBeside(holder)) return BUSY
    this.#block()
    return {
      free: new Promise((resolve) => {
        this.#unblock = resolve
      }),
    }
  }

  /** Readers are waited for: those who wait themselves, or are kept from going on by somebody who does, must not. */
  #block(): void {
    this.#isBlocked = true
    for (const list of [this.#readers, this.#writers]) {
      for (const waiting of list.filter(({ holder }) => !this.#mayWait(holder))) {
        list.splice(list.indexOf(waiting), 1)
        waiting.wake()
      }
    }
  }

  #endBlock(): void {
    const stays = this.#writer ?? this.#claimant
    if (!this.#isBlocked || [...this.#holders].some((other) => other !== stays)) return
    this.#isBlocked = false
    const claimant = this.#claimant
    this.#claimant = undefined
    if (claimant) void this.#letThrough(claimant, this.#unblock)
    else this.#unblock()
  }

  /** Whether nobody has to go on first who could not meanwhile. */
  #mayWait(holder: LockHolder): boolean {
    const first = [this.#writer, this.#claimant, this.#pass?.holder]
    if (first.some((other) => other?.instance === holder.instance)) return false
    return !this.#hasReaderBeside(holder) && !(this.#isBlocked && this.#holders.has(holder))
  }

  #hasReaderBeside(holder: LockHolder): boolean {
    return [...this.#holders].some((other) => other !== holder && other.instance === holder.instance)
  }

  /** Nobody writes: who waits to read comes next, then a pause, then who waits to write. A reader may turn out to be a writer, so each comes alone. */
  #next(): void {
    if (this.#writer || this.#claimant || this.#pass || this.#isGivingWay || this.#isQuiet) return
    const next = this.#readers.shift() ?? (this.#pauses === 0 ? this.#writers.shift() : undefined)
    if (!next) {
      this.#isQuiet = this.#pauses > 0
      for (const settle of [...this.#idle]) settle()
      return
    }
    this.#claimant = next.holder
    this.#unblock = next.wake
    this.#block()
    this.#endBlock()
  }

  /** Has one try again, and the next one if that one does not want to any more. */
  async #letThrough(holder: LockHolder, wake: () => void): Promise<void> {
    const over = new AbortController()
    this.#pass = { holder, end: () => over.abort() }
    wake()
    await this.#clock.sleep(TURN_MS, over.signal).catch(() => {}) // Taken, or not wanted.
    this.#pass = undefined
    this.#next()
  }
}
