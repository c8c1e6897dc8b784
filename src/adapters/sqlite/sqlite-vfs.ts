// @ts-expect-error The package has no types for this file; `Facade` says what is used of it.
import { FacadeVFS } from '@journeyapps/wa-sqlite/src/FacadeVFS.js'
import { InvalidArgumentError } from '../../errors/invalid-argument-error.ts'
import { errorCode, errorMessage, StorageError } from '../../errors/storage-error.ts'
import { FCNTL, IOCAP, OPEN, RESULT } from './codes.ts'
import { after, type Soon, unless } from './in-turn.ts'
import { LOCK, type LockHolder, type LockLevel } from './lock-table.ts'
import { MemoryFile } from './memory-file.ts'
import { answerPragma, journalModeRefusal, readPragma } from './pragma.ts'
import type { SqliteDisk } from './sqlite-disk.ts'
import type { BytesInSqlite, Facade, NumberOut, SqliteModule } from './sqlite-module.ts'

/** How a file system is made. */
export interface SqliteVfsOptions {
  /** As SQLite knows it. Default: `blockferry`. */
  name?: string
  /** Whether calls may wait. Default: whether the build can. Without it a build that can is faster, and takes only storages that answer at once. */
  waits?: boolean
}

/** An open file: of a disk, or in memory. `part` says which of a disk. */
interface OpenFile extends LockHolder {
  readonly name: string
  readonly flags: number
  readonly disk: SqliteDisk | undefined
  readonly part: 'database' | 'journal' | 'memory'
  readonly memory: MemoryFile | undefined
}

/** What may wait, when anything does. */
const WAITING = new Set(['xOpen', 'xDelete', 'xClose', 'xRead', 'xWrite', 'xTruncate', 'xSync', 'xUnlock'])

const JOURNAL_SUFFIX = '-journal'

const Base = FacadeVFS as new (name: string, module: SqliteModule) => Facade

/**
 * A file system for wa-sqlite in which a database is a {@link SqliteDisk}, by the name it was added under; everything else that SQLite opens is kept in
 * memory. Register it with `sqlite3.vfs_register(vfs, makeDefault)`.
 *
 * Journal modes are `delete`, `truncate`, `memory` and `off`; the others are refused. A transaction over several attached databases is refused at its
 * end. A lock that a connection of another instance of SQLite holds is waited for by `sqlite3.step`, which tries once more; then, and at once where it is the
 * same instance, which can do only one thing at a time, it is `SQLITE_BUSY`.
 */
export class SqliteVfs extends Base {
  readonly #waits: boolean
  readonly #disks = new Map<string, SqliteDisk>()
  readonly #memory = new Map<string, MemoryFile>()
  readonly #open = new Map<number, OpenFile>()
  #lastError: unknown
  #nameless = 0

  constructor(module: SqliteModule, options: SqliteVfsOptions = {}) {
    super(options.name ?? 'blockferry', module)
    this.#waits = options.waits ?? Boolean(module.handleAsync)
  }

  /**
   * Has SQLite find a database under a name.
   * @throws StorageError `NOT_SUPPORTED` for a storage that answers later, in a build that cannot wait
   */
  add(name: string, disk: SqliteDisk): void {
    if (name === '') throw new InvalidArgumentError('name', 'a text that is not empty', name)
    if (!this.#waits && !disk.answersAtOnce) {
      throw new StorageError('NOT_SUPPORTED', 'This build of SQLite cannot wait, and the storage answers later.')
    }
    if (!this.#waits) disk.mustAnswerAtOnce = true
    this.#disks.set(fileName(name), disk)
  }

  /** The database is found no more; connections that are open go on. */
  remove(name: string): void {
    this.#disks.delete(fileName(name))
  }

  /** What went wrong last, in full. */
  get lastError(): unknown {
    return this.#lastError
  }

  override hasAsyncMethod(name: string): boolean {
    return this.#waits && WAITING.has(name)
  }

  /** Disks stay open: they are their owners'. */
  override close(): void {
    this.#open.clear()
    this.#memory.clear()
    this.#disks.clear()
  }

  jOpen(given: string | null, id: number, flags: number, flagsOut: NumberOut): Soon<number> {
    return this.#answer(RESULT.cannotOpen, () => {
      if (flags & (OPEN.superJournal | OPEN.wal)) {
        throw new StorageError(
          'NOT_SUPPORTED',
          'There are neither write-ahead logs nor transactions over several databases.',
        )
      }
      const name = given === null ? `nameless ${this.#nameless++}` : fileName(given)
      const place = given === null ? undefined : this.#place(name)
      const exists = place ? sizeOf(place) !== undefined : this.#memory.has(name)
      if (!exists && !(flags & OPEN.create)) throw new StorageError('NOT_FOUND', `There is no file ${name}.`)
      let memory: MemoryFile | undefined
      if (!place) {
        memory = this.#memory.get(name) ?? new MemoryFile()
        this.#memory.set(name, memory)
      }
      const file: OpenFile = {
        name,
        flags,
        level: LOCK.none,
        instance: this._module,
        disk: place?.disk,
        part: place?.part ?? 'memory',
        memory,
      }
      if (place?.part === 'database' && flags & OPEN.create) place.disk.createDatabase()
      return after(place?.part === 'journal' ? place.disk.createJournal() : undefined, () => {
        this.#open.set(id, file)
        flagsOut.setInt32(0, flags, true)
        return RESULT.ok
      })
    })
  }

  jClose(id: number): Soon<number> {
    return this.#answer(RESULT.ioClose, () => {
      const file = this.#file(id)
      this.#open.delete(id)
      if (file.disk && file.part === 'database') file.disk.locks.unlock(file, LOCK.none)
      if (file.memory && (file.flags & OPEN.deleteOnClose || file.name.startsWith('nameless '))) {
        this.#memory.delete(file.name)
      }
      if (!file.disk) return RESULT.ok
      if (file.flags & OPEN.deleteOnClose) return after(this.#delete(file.name), () => RESULT.ok)
      return file.disk.isHere ? after(file.disk.save(), () => RESULT.ok) : RESULT.ok
    })
  }

  jDelete(given: string, isDurable: number): Soon<number> {
    return this.#answer(RESULT.ioDelete, () => {
      const name = fileName(given)
      const place = this.#place(name)
      return after(this.#delete(name), () => after(place && isDurable ? place.disk.sync() : undefined, () => RESULT.ok))
    })
  }

  jAccess(given: string, _flags: number, out: NumberOut): number {
    const name = fileName(given)
    const place = this.#place(name)
    const exists = place ? sizeOf(place) !== undefined : this.#memory.has(name)
    out.setInt32(0, exists ? 1 : 0, true)
    return RESULT.ok
  }

  jRead(id: number, target: BytesInSqlite, offset: number): Soon<number> {
    return this.#answer(RESULT.ioRead, () => {
      const file = this.#file(id)
      // The memory of SQLite may move while something is waited for.
      const bytes = this.#waits ? new Uint8Array(target.byteLength) : target.subarray()
      return after(read(file, bytes, offset), (count) => {
        if (this.#waits) target.set(bytes)
        return count === target.byteLength ? RESULT.ok : RESULT.ioShortRead
      })
    })
  }

  jWrite(id: number, data: BytesInSqlite, offset: number): Soon<number> {
    return this.#answer(RESULT.ioWrite, () => {
      const bytes = this.#waits ? data.subarray().slice() : data.subarray()
      return after(write(this.#file(id), bytes, offset), () => RESULT.ok)
    })
  }

  jTruncate(id: number, length: number): Soon<number> {
    return this.#answer(RESULT.ioTruncate, () => {
      const { disk, part, memory } = this.#file(id)
      memory?.truncate(length)
      if (part === 'database') disk?.truncateDatabase(length)
      return after(part === 'journal' ? disk?.truncateJournal(length) : undefined, () => RESULT.ok)
    })
  }

  jSync(id: number): Soon<number> {
    return this.#answer(RESULT.ioSync, () => after(this.#file(id).disk?.sync(), () => RESULT.ok))
  }

  jFileSize(id: number, out: NumberOut): number {
    const file = this.#open.get(id)
    const size = file?.memory ? file.memory.length : file?.disk ? sizeOf({ disk: file.disk, part: file.part }) : 0
    out.setBigInt64(0, BigInt(size ?? 0), true)
    return RESULT.ok
  }

  jLock(id: number, level: LockLevel): number {
    const file = this.#open.get(id)
    if (!file?.disk) return RESULT.ok
    const { locks, isHere } = file.disk
    // While the disk is handed over nobody knows yet where it will be: who wants to write waits.
    if (level > LOCK.shared && !isHere && !locks.isPaused) return RESULT.readOnlyMoved
    const refusal = locks.lock(file, level)
    if (!refusal) return RESULT.ok
    // `sqlite3.step` waits for it and tries once more.
    if (refusal.free) this._module.retryOps?.push(refusal.free)
    return RESULT.busy
  }

  jUnlock(id: number, level: LockLevel): Soon<number> {
    return this.#answer(RESULT.ioError, () => {
      const file = this.#file(id)
      const { disk } = file
      if (!disk) return RESULT.ok
      const wrote = file.level > LOCK.shared && disk.isHere
      const unlock = () => disk.locks.unlock(file, level)
      // SQLite takes the lock for given back also when that failed.
      return after(
        unless(() => (wrote ? disk.save() : undefined), unlock),
        () => {
          unlock()
          return RESULT.ok
        },
      )
    })
  }

  jCheckReservedLock(id: number, out: NumberOut): number {
    out.setInt32(0, this.#open.get(id)?.disk?.locks.isReserved ? 1 : 0, true)
    return RESULT.ok
  }

  jFileControl(_id: number, operation: number, argument: DataView): number {
    if (operation !== FCNTL.pragma) return RESULT.notFound
    const { HEAPU8 } = this._module
    const refusal = journalModeRefusal(readPragma(HEAPU8, argument))
    if (refusal === undefined) return RESULT.notFound
    answerPragma(this._module, argument, refusal)
    return RESULT.error
  }

  jGetLastError(out: BytesInSqlite): number {
    // SQLite asks for the number alone with no room for a text.
    if (out.byteLength === 0) return RESULT.ok
    const text = new TextEncoder().encode(errorMessage(this.#lastError ?? '')).subarray(0, out.byteLength - 1)
    out.set(text)
    out.set(new Uint8Array(1), text.length)
    return RESULT.ok
  }

  /** A write is torn at no place but between bytes that it did not change, see `HeadSlots` and `JournalDigest` for what is made of that. */
  jDeviceCharacteristics(): number {
    return IOCAP.safeAppend | IOCAP.undeletableWhenOpen | IOCAP.powersafeOverwrite
  }

  #place(name: string): { disk: SqliteDisk; part: 'database' | 'journal' } | undefined {
    const database = this.#disks.get(name)
    if (database) return { disk: database, part: 'database' }
    if (!name.endsWith(JOURNAL_SUFFIX)) return undefined
    const disk = this.#disks.get(name.slice(0, -JOURNAL_SUFFIX.length))
    return disk && { disk, part: 'journal' }
  }

  #delete(name: string): Soon<void> {
    this.#memory.delete(name)
    const place = this.#place(name)
    return place?.part === 'journal' ? place.disk.deleteJournal() : place?.disk.deleteDatabase()
  }

  #file(id: number): OpenFile {
    const file = this.#open.get(id)
    if (!file) throw new StorageError('CLOSED')
    return file
  }

  /** The code for SQLite, as a promise where this method may wait. */
  #answer(otherwise: number, work: () => Soon<number>): Soon<number> {
    try {
      const code = work()
      if (!this.#waits) return code
      return Promise.resolve(code).catch((error: unknown) => this.#failure(error, otherwise))
    } catch (error) {
      const code = this.#failure(error, otherwise)
      return this.#waits ? Promise.resolve(code) : code
    }
  }

  #failure(error: unknown, otherwise: number): number {
    this.#lastError = error
    const code = errorCode(error)
    if (code === 'QUOTA_EXCEEDED') return RESULT.full
    return code === 'NOT_OWNER' ? RESULT.readOnlyMoved : otherwise
  }
}

/** The path of what SQLite or somebody else calls a file, without query and slash. */
function fileName(given: string): string {
  return decodeURIComponent(new URL(given, 'file:///').pathname).slice(1)
}

function sizeOf({ disk, part }: { disk: SqliteDisk; part: OpenFile['part'] }): number | undefined {
  return part === 'journal' ? disk.journalBytes : disk.databaseBytes
}

function read({ disk, part, memory }: OpenFile, target: Uint8Array, offset: number): Soon<number> {
  if (memory) return memory.read(target, offset)
  return part === 'journal' ? disk!.readJournal(target, offset) : disk!.readDatabase(target, offset)
}

function write({ disk, part, memory }: OpenFile, data: Uint8Array, offset: number): Soon<void> {
  if (memory) return memory.write(data, offset)
  return part === 'journal' ? disk!.writeJournal(data, offset) : disk!.writeDatabase(data, offset)
}
