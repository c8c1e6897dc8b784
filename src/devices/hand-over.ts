import { errorCode, StorageError } from '../errors/storage-error.ts'
import {
  acknowledge,
  begin,
  type Ownership,
  ownDisk,
  reconcile,
  release,
  type Verdict,
} from '../migration/journal/ownership.ts'
import { limitPause } from '../migration/limit-pause.ts'
import type { HandOverOutcome } from '../migration/migrate-live.ts'
import type { Connection } from '../protocol/connection.ts'
import { HandOverRequests } from '../protocol/hand-over-requests.ts'
import { proveMigration } from '../protocol/migration-proof.ts'
import type { BeginResponse } from '../protocol/packets/begin.ts'
import { sameProof } from '../protocol/secret-proof.ts'
import { digestText } from '../storage/hash-tree.ts'
import { type DiskJournal, idBytes } from './disk-journal.ts'
import type { SentDisk } from './send-options.ts'

/** The disk that is handed over, and who speaks for it. */
export interface HandOverParts {
  readonly connection: Connection
  readonly dev: number
  readonly journal: DiskJournal
  readonly size: number
  readonly blockSize: number
  /** Sixteen fresh random bytes. */
  readonly randomId: () => Uint8Array
  readonly mayBeIncomplete: boolean
  /** Longest pause of the writer that is accepted; a destination that lets it wait for longer is not waited for. */
  readonly maxPauseMs: number
  /** Of the disk. */
  readonly flush: () => Promise<void>
  /** Ends every wait for the peer. */
  readonly signal?: AbortSignal
}

/** Where both sides stand when a connection begins. */
export interface HandOverStart {
  readonly verdict: Verdict
  /** The destination holds blocks. */
  readonly hasClaims: boolean
  /** It waits for the last word of a hand-over. */
  readonly isPrepared: boolean
  /** It owns the disk, or is about to, and still lacks blocks. */
  readonly isIncomplete: boolean
}

/**
 * The source's part in a hand-over, over one connection.
 *
 * ```
 *   owner ── prepare ──► answered ── released, stored ──► commit ──► answered ── gone, stored
 *     ▲ any failure up to here gives it back │                any failure from here on: asked again over the next connection
 *     └──────────────────────────────────────┘
 * ```
 */
export class HandOver {
  readonly requests: HandOverRequests
  readonly #parts: HandOverParts
  /** Fires when the writer has waited for too long: nothing is waited for any more. */
  readonly #late = new AbortController()
  /** The record that it was given away could not be stored, nor that it was not. */
  doubt: unknown
  /** The destination has said that it owns the disk. */
  isCommitted = false
  /** Why it has not said so, or not that it needs nothing more. */
  reason: unknown

  constructor(parts: HandOverParts) {
    this.#parts = parts
    this.requests = new HandOverRequests(parts.connection.rw, parts.dev, parts.signal)
  }

  /** Whether the destination has said that the disk is its own and that it needs nothing more. */
  get isAcknowledged(): boolean {
    return this.#ownership.state === 'gone'
  }

  /** How it has ended, for whoever sent the disk. */
  get outcome(): Pick<SentDisk, 'acknowledged' | 'reason'> {
    const { reason, isAcknowledged } = this
    return isAcknowledged || reason === undefined ? { acknowledged: isAcknowledged } : { acknowledged: false, reason }
  }

  get isReleased(): boolean {
    return this.#ownership.state === 'released' || this.isAcknowledged
  }

  /** Tells the destination which migration this is, or finds out how far it is. @throws StorageError `UNAUTHORIZED`, `IN_DOUBT` */
  async begin(): Promise<HandOverStart> {
    const { journal, size, blockSize, randomId } = this.#parts
    if (!journal.ownership) await journal.become(ownDisk({ diskId: digestText(randomId()), size, blockSize }))
    const isKnown =
      this.#ownership.migration !== undefined && this.#ownership.migration.nextEpoch > this.#ownership.epoch
    const answer = isKnown ? await this.#goOn() : undefined
    if (answer && answer.state !== 'unknown') return this.#start(answer)
    if (this.isReleased) throw new StorageError('IN_DOUBT', 'The disk was given to somebody else, who alone can tell.')
    await journal.become(begin(this.#ownership, { id: digestText(randomId()), key: digestText(randomId()) }))
    const { key } = this.#ownership.migration!
    return this.#start(await this.requests.begin({ ...this.#about(), token: { type: 'key', key: idBytes(key) } }))
  }

  /** Takes back what a destination had prepared before the link was lost; it goes on receiving. */
  async withdraw(): Promise<void> {
    await this.requests.cancel(this.#nextEpoch)
  }

  /**
   * Hands the disk over. Throws only while the source owns it for sure; otherwise it has been released, and {@link isCommitted} and `doubt` say how
   * far it came. An abort after the release ends only the wait for the destination's word, see `lastWord`.
   */
  async run(
    context: { root: Uint8Array | undefined; missingBlocks: number },
    beforeRelease: () => Promise<unknown> | unknown,
  ): Promise<HandOverOutcome> {
    const { root, missingBlocks } = context
    const { journal } = this.#parts
    try {
      const said = { epoch: this.#nextEpoch, missingBlocks, root }
      const theirs = await this.#soon((signal) => this.requests.prepare(said, signal))
      compareRoots(root, theirs)
      await beforeRelease()
    } catch (error) {
      // Also where the answer was not waited for: it may still become prepared.
      await this.#cancel()
      throw error
    }
    await this.#release(journal, root)
    // What goes wrong from here on is told by `isCommitted`; it is asked again over the next connection.
    if (this.doubt === undefined) await this.commit().catch(this.#unheard)
    return { released: true }
  }

  /** Says the last word, again if need be. */
  async commit(): Promise<void> {
    await this.requests.commit(this.#nextEpoch)
    this.isCommitted = true
  }

  /** All blocks have moved. A peer that is lost now is asked again over the next connection. @throws StorageError `VERIFY_FAILED` */
  async complete(root: Uint8Array | undefined): Promise<void> {
    try {
      await this.requests.complete(root)
      await this.acknowledged()
    } catch (error) {
      if (errorCode(error) === 'VERIFY_FAILED') throw error
      this.#unheard(error)
    }
  }

  readonly #unheard = (error: unknown): void => {
    this.reason = error
  }

  /** The destination needs this side no more. Both copies are equal now: what is known of this one is worth keeping, for when the disk comes back. */
  async acknowledged(): Promise<void> {
    const { journal, flush } = this.#parts
    await journal.become(acknowledge(this.#ownership))
    await journal.checkpoint({ flush })
  }

  /** A record that was not stored may be there after a crash all the same: who owns the disk must be written down again before it is used. */
  async #release(journal: DiskJournal, root: Uint8Array | undefined): Promise<void> {
    const before = this.#ownership
    try {
      await journal.become(release(before, root ? { root: digestText(root) } : {}))
    } catch (error) {
      try {
        await journal.become(before)
      } catch (cause) {
        this.doubt = new StorageError('IN_DOUBT', 'It could not be stored whether the disk was given away.', { cause })
        return
      }
      await this.#cancel()
      throw error
    }
  }

  /** A peer that was lost is told when it is back. */
  async #cancel(): Promise<void> {
    await this.#soon((signal) => this.requests.cancel(this.#nextEpoch, signal)).catch(() => {})
  }

  /** The writer waits meanwhile. */
  async #soon<Answer>(ask: (signal: AbortSignal) => Promise<Answer>): Promise<Answer> {
    const { connection, maxPauseMs, signal } = this.#parts
    const late = this.#late.signal
    const end = limitPause(connection.rw.clock, maxPauseMs, this.#late)
    try {
      return await ask(signal ? AbortSignal.any([signal, late]) : late)
    } catch (error) {
      throw late.reason ?? error
    } finally {
      end()
    }
  }

  async #goOn(): Promise<Omit<BeginResponse, 'kind'>> {
    const { diskId, epoch, migration } = this.#ownership
    const { session } = this.#parts.connection
    const context = { session, diskId: idBytes(diskId), epoch }
    const key = idBytes(migration!.key)
    const mac = await proveMigration(key, { ...context, role: 'source' })
    const answer = await this.requests.begin({ ...this.#about(), token: { type: 'proof', mac } })
    if (answer.state === 'unknown') return answer
    const expected = await proveMigration(key, { ...context, role: 'destination' })
    if (!sameProof(expected, answer.mac)) {
      throw new StorageError('UNAUTHORIZED', 'The peer does not know the key of this migration.')
    }
    return answer
  }

  #start({ state, hasClaims, epoch }: Omit<BeginResponse, 'kind'>): HandOverStart {
    const ours = this.#ownership
    const { diskId, size, blockSize, migration } = ours
    if (state === 'unknown') throw new StorageError('MALFORMED', 'The peer does not take the disk, nor refuse it.')
    const theirs: Ownership = { diskId, size, blockSize, epoch, state, migration: migration! }
    const verdict = reconcile(ours, theirs)
    const isIncomplete = this.#isIncomplete && (state !== 'owner' || hasClaims)
    return { verdict, hasClaims, isPrepared: state === 'prepared', isIncomplete }
  }

  #about() {
    const { diskId, epoch, migration } = this.#ownership
    return {
      isReleased: this.isReleased,
      mayBeIncomplete: this.#parts.mayBeIncomplete,
      diskId: idBytes(diskId),
      epoch,
      migrationId: idBytes(migration!.id),
    }
  }

  /** A hand-over before all had moved has no root yet. */
  get #isIncomplete(): boolean {
    return this.#ownership.state === 'released' && this.#ownership.root === undefined
  }

  get #ownership(): Ownership {
    return this.#parts.journal.ownership!
  }

  get #nextEpoch(): number {
    return this.#ownership.migration!.nextEpoch
  }
}

function compareRoots(ours: Uint8Array | undefined, theirs: Uint8Array | undefined): void {
  if (!ours || (theirs && digestText(ours) === digestText(theirs))) return
  const text = theirs ? digestText(theirs) : 'none'
  throw new StorageError('VERIFY_FAILED', `The other side has the root hash ${text}, sent was ${digestText(ours)}.`)
}
