import type { Clock } from '../../async/clock.ts'
import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'
import { StorageError } from '../../errors/storage-error.ts'
import { createBlockHasher } from '../../storage/block-hasher.ts'
import type { StorageProvider } from '../../storage/provider.ts'
import { findHead } from './find-head.ts'
import { GatheredWrites } from './gathered-writes.ts'
import type { Head, JournalPlace, PlaceState } from './head.ts'
import { HeadSlots } from './head-slots.ts'
import { after, repeat, type Soon, unless } from './in-turn.ts'
import type { JournalDigest } from './journal-digest.ts'
import { journalStart } from './journal-place.ts'
import { COPY_BYTES, DATABASE_START, SMALLEST_DISK } from './limits.ts'
import { LockTable } from './lock-table.ts'
import { moved } from './moved.ts'
import { answersAtOnce, ProviderIo } from './provider-io.ts'

/** Where a database says how long its pages are (https://www.sqlite.org/fileformat.html). */
const PAGE_SIZE_AT = 16

/** How the disk of a database is opened. */
export interface SqliteDiskOptions {
  /**
   * The disk from which the database was moving here when everything stopped: it is asked whether it has given the database up. Needed only to open
   * the destination of a swap that was cut off (`IN_DOUBT`).
   */
  origin?: StorageProvider
  /**
   * Opens a database of which the disk says that it moved away, and says that it is here again. Only where the journal of that move says that the disk was
   * not given away: else there are two. Default: false.
   */
  takeBack?: boolean
  clock?: Clock
}

/**
 * A SQLite database on a disk: the database itself, which grows from the front, and its rollback journal at the end.
 *
 * ```
 *   0             12 KiB    64 KiB                                                               size
 *   | three slots | unused  | database ──►  ...                      | journal ──► ...           |
 * ```
 * A slot holds the head: how long both are, where the journal begins and a digest of it. Every `xSync` writes one head and flushes once: after a
 * crash the latest head counts whose journal is as the digest says, so neither needs to be flushed before the other. What SQLite
 * relies on holds at any moment: no page of the database reaches the disk before the journal that can undo it, and a transaction is committed
 * when the head without its journal is flushed.
 *
 * The disk's size is the database's largest; a transaction that changes all of it needs as much again for its journal.
 */
export class SqliteDisk {
  /** Who may read and write, among all connections that share this disk. */
  readonly locks: LockTable
  readonly #digest: JournalDigest
  readonly #writes: GatheredWrites
  #io: ProviderIo
  #slots: HeadSlots
  #head: Head
  #isHeadNew = false
  /** The journal has grown past what any written head says. */
  #isJournalAhead = false
  #isJournalFlushed: boolean
  #closing: Promise<void> | undefined

  private constructor(io: ProviderIo, parts: { head: Head; slots: HeadSlots; digest: JournalDigest }, clock?: Clock) {
    this.#io = io
    this.#head = parts.head
    this.#slots = parts.slots
    this.#digest = parts.digest
    this.#isJournalFlushed = parts.head.journal !== undefined
    this.#writes = new GatheredWrites(io)
    this.locks = new LockTable(clock)
  }

  /**
   * Opens the database of a disk; one that reads as zero is empty. The disk is not to be used by anybody else from here on.
   * @throws StorageError `CORRUPT` for a disk of something else, `SIZE_MISMATCH`, `INCOMPATIBLE`, `NOT_OWNER` for a database that moved away or of
   * which only a part has arrived, `IN_DOUBT` without the `origin` that can tell
   */
  static async open(provider: StorageProvider, options: SqliteDiskOptions = {}): Promise<SqliteDisk> {
    if (provider.size < SMALLEST_DISK) {
      throw new InvalidArgumentError('provider.size', `at least ${SMALLEST_DISK}`, provider.size)
    }
    const hasher = await createBlockHasher()
    const found = await findHead(provider, hasher, options)
    const slots = new HeadSlots(provider.size, hasher)
    slots.begin(found.generation, found.latestGeneration)
    const disk = new SqliteDisk(new ProviderIo(provider), { ...found, slots }, options.clock)
    // Also an end of a process may have left a head that is not durable, and nothing may rely on it before it is.
    if (found.isNew) disk.#isHeadNew = true
    await disk.sync()
    return disk
  }

  /** The disk itself; another one after a swap. */
  get provider(): StorageProvider {
    return this.#io.provider
  }

  get size(): number {
    return this.#io.provider.size
  }

  /** Whether it can be used by a synchronous build of SQLite. */
  get answersAtOnce(): boolean {
    return answersAtOnce(this.#io.provider)
  }

  /** Whether the database is used from here; not after it moved away. */
  get isHere(): boolean {
    return this.#head.state === 'here'
  }

  /** Bytes of the database; undefined when there is none. */
  get databaseBytes(): number | undefined {
    return this.#head.databaseBytes
  }

  /** Bytes of its rollback journal; undefined when there is none. */
  get journalBytes(): number | undefined {
    return this.#head.journal && this.#digest.bytes
  }

  /** Makes an empty database where there is none. */
  createDatabase(): void {
    if (this.#head.databaseBytes === undefined) this.#change({ databaseBytes: 0 })
  }

  /** Bytes past the end read as zero; resolves with how many were before it. */
  readDatabase(target: Uint8Array, offset: number): Soon<number> {
    return this.#read(target, offset, DATABASE_START, this.#head.databaseBytes ?? 0)
  }

  /** `data` is not kept. @throws StorageError `QUOTA_EXCEEDED` past the room for it, and what the storage throws */
  writeDatabase(data: Uint8Array, offset: number): Soon<void> {
    const end = offset + data.length
    const room = (this.#head.journal?.start ?? this.size) - DATABASE_START
    if (end > room) throw noRoom('database', end, room)
    // Without a flush in between, as with `PRAGMA synchronous=off`, a process that ends here still leaves what undoes this write.
    return after(this.#isJournalAhead ? this.save() : undefined, () => {
      const { databaseBytes = 0 } = this.#head
      return after(this.#fillGap(databaseBytes, offset), () => {
        if (end > databaseBytes) this.#change({ databaseBytes: end })
        return this.#writes.write(data, DATABASE_START + offset)
      })
    })
  }

  truncateDatabase(bytes: number): void {
    if (bytes < (this.#head.databaseBytes ?? 0)) this.#change({ databaseBytes: bytes })
  }

  /** Takes the database away, as `xDelete` does. */
  deleteDatabase(): Soon<void> {
    this.#change({ databaseBytes: undefined })
    return this.sync()
  }

  /** Makes an empty journal where there is none. */
  createJournal(): Soon<void> {
    if (this.#head.journal) return
    return after(this.#pageSize(), (pageSize) => {
      const start = journalStart({ diskBytes: this.size, databaseBytes: this.#head.databaseBytes ?? 0, pageSize })
      this.#digest.clear()
      this.#isJournalFlushed = false
      this.#change({ journal: { start, bytes: 0, digest: this.#digest.digest() } })
    })
  }

  readJournal(target: Uint8Array, offset: number): Soon<number> {
    return this.#read(target, offset, this.#head.journal?.start ?? 0, this.journalBytes ?? 0)
  }

  /** Only at the end. `data` is not kept. */
  writeJournal(data: Uint8Array, offset: number): Soon<void> {
    const { journal } = this.#head
    if (!journal) throw new StorageError('NOT_FOUND', 'There is no journal.')
    const room = this.size - journal.start
    if (offset + data.length > room) throw noRoom('journal', offset + data.length, room)
    const gap = offset - this.#digest.bytes
    return after(gap > 0 ? this.writeJournal(new Uint8Array(gap), this.#digest.bytes) : undefined, () => {
      this.#digest.write(data, offset)
      this.#isJournalAhead = true
      this.#isHeadNew = true
      return this.#writes.write(data, journal.start + offset)
    })
  }

  /** SQLite cuts a journal only to nothing, to commit. @throws StorageError `NOT_SUPPORTED` for anything else */
  truncateJournal(bytes: number): Soon<void> {
    const { journal } = this.#head
    if (!journal || bytes >= this.#digest.bytes) return
    if (bytes > 0) throw new StorageError('NOT_SUPPORTED', 'A journal is only cut to nothing here.')
    this.#digest.clear()
    return this.#endJournal({ ...journal, bytes: 0, digest: this.#digest.digest() })
  }

  /** Commits: from here on nothing undoes the transaction. Durable if the journal was, so also after a power loss. */
  deleteJournal(): Soon<void> {
    return this.#head.journal ? this.#endJournal(undefined) : undefined
  }

  /** Everything written is durable then. */
  sync(): Soon<void> {
    return after(this.save(), () => {
      const slots = this.#slots
      const { latest } = slots
      const hasJournal = this.#head.journal !== undefined
      const flushing = unless(
        () => this.#io.flush(),
        () => this.#expectNothing(),
      )
      return after(flushing, () => {
        slots.flushed(latest)
        this.#isJournalFlushed = hasJournal && this.#head.journal !== undefined
      })
    })
  }

  /** Everything written has landed in the storage then, the head included, as far as a process that ends is concerned. */
  save(): Soon<void> {
    return unless(
      () => after(this.#isHeadNew ? this.#writeHead() : undefined, () => this.#writes.settle()),
      () => this.#expectNothing(),
    )
  }

  /** Writes the head and closes the storage. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      try {
        if (this.isHere) await this.sync()
      } finally {
        await this.provider.close()
      }
    })()
    return this.#closing
  }

  /**
   * What is said of the database, without its journal: for between two transactions.
   * @internal
   */
  get head(): Head {
    return this.#head
  }

  /**
   * Somebody uses it who cannot wait.
   * @internal
   */
  mustAnswerAtOnce = false

  /**
   * Somebody is moving it.
   * @internal
   */
  isLent = false

  /**
   * Refuses a storage to which this database cannot move.
   * @internal
   */
  checkDestination(destination: StorageProvider): void {
    if (!this.isHere) throw moved()
    if (destination.size !== this.size) {
      throw new StorageError('SIZE_MISMATCH', undefined, {
        context: { source: this.size, destination: destination.size },
      })
    }
    if (this.mustAnswerAtOnce && !answersAtOnce(destination)) {
      throw new StorageError(
        'NOT_SUPPORTED',
        'A build of SQLite that cannot wait uses it, and the storage answers later.',
      )
    }
  }

  /**
   * Has the database go on at another disk that holds the same bytes, but for the slots; those are given when they are others. Nobody may be writing,
   * but where it is another face of the same storage.
   * @internal
   */
  turnTo(provider: StorageProvider, slots?: HeadSlots): void {
    this.#io = new ProviderIo(provider)
    this.#writes.turnTo(this.#io)
    if (!slots) return
    this.#slots = slots
    this.#change({ state: 'here' })
  }

  /**
   * Says durably whose database it is.
   * @internal
   */
  become(state: PlaceState, moveId: Uint8Array): Soon<void> {
    this.#change({ state, moveId })
    return this.sync()
  }

  #change(change: Partial<Head>): void {
    if (this.#head.state !== 'here' && change.state === undefined) throw moved()
    this.#head = { ...this.#head, ...change }
    this.#isHeadNew = true
  }

  /** Everything that the transaction wrote lands first: a head without its journal must not come before. */
  #endJournal(journal: JournalPlace | undefined): Soon<void> {
    return after(this.#writes.settle(), () => {
      this.#change({ journal })
      return this.#isJournalFlushed ? this.sync() : this.save()
    })
  }

  /** What is on the disk is not known: the next head must be written, whatever it says. */
  #expectNothing(): void {
    this.#isHeadNew = true
  }

  #writeHead(): Soon<void> {
    const { journal } = this.#head
    const head = journal
      ? { ...this.#head, journal: { ...journal, bytes: this.#digest.bytes, digest: this.#digest.digest() } }
      : this.#head
    this.#isHeadNew = false
    this.#isJournalAhead = false
    const { bytes, offset } = this.#slots.next(head)
    return this.#writes.write(bytes, offset)
  }

  #read(target: Uint8Array, offset: number, start: number, bytes: number): Soon<number> {
    const length = Math.max(0, Math.min(target.length, bytes - offset))
    if (length < target.length) target.fill(0, length)
    if (length === 0) return 0
    const part = length === target.length ? target : target.subarray(0, length)
    return after(this.#writes.before(start + offset, length), () =>
      after(this.#io.read(part, start + offset), () => length),
    )
  }

  /** What lay behind the end of a database that was longer once must not come to light. */
  #fillGap(from: number, to: number): Soon<void> {
    let at = from
    return repeat(() => {
      if (at >= to) return false
      const zeroes = new Uint8Array(Math.min(to - at, COPY_BYTES))
      const start = at
      at += zeroes.length
      return after(this.#writes.write(zeroes, DATABASE_START + start), () => true)
    })
  }

  #pageSize(): Soon<number> {
    const field = new Uint8Array(2)
    return after(this.readDatabase(field, PAGE_SIZE_AT), () => {
      const stored = field[0]! * 256 + field[1]!
      return stored === 1 ? 65_536 : stored
    })
  }
}

function noRoom(what: string, needed: number, room: number): StorageError {
  return new StorageError(
    'QUOTA_EXCEEDED',
    `The ${what} needs ${needed} bytes; on this disk there is room for ${room}.`,
    {
      context: { needed, room },
    },
  )
}
