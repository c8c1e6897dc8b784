import { type Clock, systemClock } from '../async/clock.ts'
import { StorageError } from '../errors/storage-error.ts'
import { Convergence, type ConvergenceLimits } from '../migration/convergence.ts'
import { limitPause } from '../migration/limit-pause.ts'
import type { HandOverContext, LiveMigrationOptions, LiveMigrationResult } from '../migration/live-options.ts'
import { carryRest } from '../migration/move-rest.ts'
import { Agreement } from './agreement.ts'
import { GroupMember } from './group-member.ts'
import { GROUP_AUTO_ROUNDS } from './limits.ts'

/** How several disks move together. */
export interface GroupRunOptions {
  /** How many disks there are. */
  readonly count: number
  readonly limits: ConvergenceLimits
  readonly deadlineMs: number
  readonly strategy: 'auto' | 'pre-copy' | 'post-copy'
  readonly clock?: Clock
  /** Stops all writers at once, before the disks are locked one by one. */
  readonly lockerHandler?: () => Promise<void>
  readonly unlockerHandler?: () => void
  /** Every disk is ready to be handed over: gives all of them away or throws. */
  readonly decide: (contexts: readonly HandOverContext[]) => Promise<void>
}

/**
 * Several live migrations as one, with a barrier between the phases: all first passes, then rounds over what was written to any of them, then one lock
 * for all, what is left of all, and one decision that gives away all or none.
 */
export class GroupRun {
  /**
   * Nobody knows whether the disks were given away: nobody unlocks. Only this side's own record can leave that open, never what a peer says, but in dialect
   * `silo`, where there is none.
   */
  isInDoubt = false
  readonly #options: GroupRunOptions
  readonly #clock: Clock
  readonly #convergence: Convergence
  readonly #agreement: Agreement
  readonly #members = new Map<number, GroupMember>()
  readonly #stop = new AbortController()
  #failure: { readonly error: unknown } | undefined
  #isRunning = false
  #isLocked = false
  #rounds = 0
  /** Of content, in the last pass that moved some. */
  #msPerByte = 0
  #flushMs = 0

  constructor(options: GroupRunOptions) {
    const { strategy, limits, clock = systemClock } = options
    this.#options = options
    this.#clock = clock
    const maxRounds = strategy === 'auto' ? Math.min(GROUP_AUTO_ROUNDS, limits.maxRounds) : limits.maxRounds
    this.#convergence = new Convergence({ ...limits, maxRounds })
    this.#agreement = new Agreement(options.count, options.decide)
  }

  /** Why it ended, if it failed. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure
  }

  /** Takes a disk in, for whoever would else call `migrateLive`; it begins when all are in. Who fails before that has to say so by {@link leave}. */
  async join(index: number, options: LiveMigrationOptions): Promise<LiveMigrationResult> {
    if (this.#failure) throw this.#failure.error
    const member = new GroupMember(options, this.#stop.signal)
    this.#members.set(index, member)
    if (this.#members.size === this.#options.count) void this.#run([...this.#members.values()])
    return member.result
  }

  /** To be called as `handOver` of each disk: resolves when all were given away. */
  agree(index: number, context: HandOverContext): Promise<void> {
    return this.#agreement.join(index, context)
  }

  /** A disk does not take part, or no longer: none of them moves, unless they were given away before. */
  leave(error: unknown): void {
    if (this.#agreement.isReached) return
    this.#failure ??= { error }
    this.#agreement.fail(error)
    this.#stop.abort(error)
    if (!this.#isRunning) for (const member of this.#members.values()) member.reject(error)
  }

  async #run(members: readonly GroupMember[]): Promise<void> {
    this.#isRunning = true
    const startedAt = this.#clock.now()
    try {
      const { limits, deadlineMs, strategy } = this.#options
      const look = { limits, deadlineMs, canSwitch: strategy !== 'pre-copy' }
      for (const member of members) member.begin(this.#clock, look)
      const ahead = strategy === 'post-copy' ? members.filter(({ isWhole }) => isWhole) : members
      if (ahead.length > 0) await this.#moveAhead(ahead)
      const { predictedPauseMs, pauseMs } = await this.#stopWriters(members)
      await Promise.all(
        members.map(async (member) => {
          try {
            if (member.missingBlocks > 0)
              await carryRest(member.migrator, member.options.order!, member.options.destination)
            const times = { pauseMs, predictedPauseMs, durationMs: this.#clock.now() - startedAt }
            member.resolve({ ...member.counts(), ...times, rounds: this.#rounds })
          } catch (error) {
            member.reject(error)
          }
        }),
      )
    } catch (error) {
      this.#failure ??= { error }
      if (!this.#agreement.isReached && !this.isInDoubt) this.#unlock(members)
      for (const member of members) member.reject(this.#failure.error)
    } finally {
      for (const member of members) member.end()
    }
  }

  /** All passes ahead of the last one; with the writers running. */
  async #moveAhead(members: readonly GroupMember[]): Promise<void> {
    for (;;) {
      await this.#pass(members)
      if (isLate(members)) return
      const step = this.#convergence.next(this.#rounds, this.#predict(members))
      if (step === 'give-up' && this.#options.strategy === 'pre-copy') throw this.#tooBusy(members)
      if (step !== 'round') return
      await this.#startRound(members)
    }
  }

  async #pass(members: readonly GroupMember[]): Promise<void> {
    const startedAt = this.#clock.now()
    const before = contentBytes(members)
    await this.#together(members, (member) => member.pass(() => isLate(members)))
    const bytes = contentBytes(members) - before
    const sentAt = this.#clock.now()
    if (bytes > 0) this.#msPerByte = (sentAt - startedAt) / bytes
    await this.#together(members, (member) => member.options.destination.flush())
    this.#flushMs = this.#clock.now() - sentAt
    await this.#together(members, async (member) => member.options.source.scan?.())
  }

  #startRound(members: readonly GroupMember[]): Promise<void> {
    this.#rounds++
    return this.#together(members, (member) => member.startRound())
  }

  /** One lock for all; resolves when all were given away. */
  async #stopWriters(members: readonly GroupMember[]): Promise<{ pauseMs: number; predictedPauseMs: number }> {
    const { limits } = this.#options
    for (;;) {
      const { predictedPauseMs } = this.#predict(members)
      const stoppedAt = this.#clock.now()
      if (await this.#moveLast(members)) {
        await this.#handOver(members)
        return { pauseMs: this.#clock.now() - stoppedAt, predictedPauseMs }
      }
      this.#unlock(members)
      if (this.#rounds >= limits.maxRounds) throw this.#tooBusy(members)
      await this.#startRound(members)
      await this.#moveAhead(members)
    }
  }

  /** Locks, and moves what is left or leaves it for later; false when too much was written just before. */
  async #moveLast(members: readonly GroupMember[]): Promise<boolean> {
    const { limits, strategy } = this.#options
    const late = new AbortController()
    late.signal.onabort = () => this.leave(late.signal.reason)
    const end = limitPause(this.#clock, limits.maxPauseMs, late)
    try {
      this.#isLocked = true
      await this.#options.lockerHandler?.()
      await this.#together(members, (member) => member.migrator.lock())
      const isOver = (some: readonly GroupMember[]) => this.#predict(some).predictedPauseMs > limits.maxPauseMs
      const whole = members.filter(({ isWhole }) => isWhole)
      const mayLeaveRest = strategy !== 'pre-copy' && (whole.length === 0 || !isOver(whole))
      const leavesRest = mayLeaveRest && (strategy === 'post-copy' || isOver(members) || isLate(members))
      if (isOver(members) && !leavesRest) return false
      this.#rounds++
      await this.#together(members, (member) =>
        leavesRest && !member.isWhole ? member.leaveRest() : member.sendLast(),
      )
      return true
    } finally {
      end()
    }
  }

  async #handOver(members: readonly GroupMember[]): Promise<void> {
    // The last moment at which an abort leaves everything as it was.
    if (this.#failure) throw this.#failure.error
    await this.#together(members, async (member) => {
      try {
        await member.options.handOver!({ root: undefined, missingBlocks: member.missingBlocks })
      } catch (error) {
        this.#agreement.fail(error)
        throw error
      }
    })
  }

  #unlock(members: readonly GroupMember[]): void {
    if (!this.#isLocked) return
    this.#isLocked = false
    for (const member of members) member.unlock()
    this.#options.unlockerHandler?.()
  }

  #predict(members: readonly GroupMember[]): { predictedPauseMs: number; sendMs: number } {
    const dirty = members.reduce(
      (bytes, { options }) => bytes + options.source.dirtyBlocks * options.source.blockSize,
      0,
    )
    const sendMs = dirty * this.#msPerByte
    return { sendMs, predictedPauseMs: sendMs + this.#flushMs }
  }

  /** Does the same for all; the first failure stops the others, and is thrown when none of them is at work any more. */
  async #together(members: readonly GroupMember[], work: (member: GroupMember) => Promise<void>): Promise<void> {
    await Promise.all(
      members.map(async (member) => {
        try {
          await work(member)
        } catch (error) {
          this.#failure ??= { error }
          if (!this.#agreement.isReached) this.#stop.abort(error)
        }
      }),
    )
    if (this.#failure) throw this.#failure.error
  }

  #tooBusy(members: readonly GroupMember[]): StorageError {
    const { predictedPauseMs } = this.#predict(members)
    const { maxPauseMs } = this.#options.limits
    return new StorageError(
      'DID_NOT_CONVERGE',
      `After ${this.#rounds} rounds the writers would still have to wait ${Math.round(predictedPauseMs)} ms, ${maxPauseMs} ms are allowed.`,
      { context: { rounds: this.#rounds, predictedPauseMs, maxPauseMs } },
    )
  }
}

/** Of disks that may be handed over with a rest, one has to be now: so all have. */
function isLate(members: readonly GroupMember[]): boolean {
  return members.some((member) => member.isLate)
}

function contentBytes(members: readonly GroupMember[]): number {
  return members.reduce((bytes, member) => bytes + member.contentBytes, 0)
}
