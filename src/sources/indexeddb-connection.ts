import { createStore, promisifyRequest } from 'idb-keyval'
import type { Clock } from '../async/clock.ts'
import { StorageError } from '../errors/storage-error.ts'
import type { EarlyEvents } from './early-events.ts'
import { OPEN_TIMEOUT_MS, RECONNECT_ATTEMPTS, RECONNECT_DELAY_MS } from './limits.ts'
import { errorName, platformError } from './platform-error.ts'

/** Name of the one object store of a disk's database. */
const STORE = 'disk'

/**
 * Errors that mean the connection is gone, not that the request was wrong. WebKit drops connections of pages that were in the background
 * and reports `UnknownError` or `InvalidStateError` from then on; a retry on the same connection never helps, reopening does
 * (https://github.com/Expensify/App/issues/87864, https://github.com/localForage/localForage/issues/887). A transaction under way when
 * the connection is closed by force ends with `AbortError`; we never abort one without saying why.
 */
const LOST = new Set(['InvalidStateError', 'UnknownError', 'AbortError'])

/** How a transaction is opened. */
export interface TransactionOptions {
  mode: IDBTransactionMode
  /** Chrome's default changed from strict to relaxed in version 121 (https://github.com/CherryHQ/cherry-studio/issues/8737), so it is always named. */
  durability?: IDBTransactionDurability
}

/** Work inside a transaction. It must not await anything but requests of this store: any other wait lets the transaction commit (https://github.com/speakr/speakr/issues/313). */
export type TransactionSteps<Result> = (store: IDBObjectStore) => Result | Promise<Result>

/**
 * A connection that outlives its connections: a transaction that fails because the browser dropped the connection is repeated on a fresh
 * one, so its steps must be idempotent. Gives up with `CONNECTION_LOST` after `RECONNECT_ATTEMPTS`.
 */
export class IndexedDbConnection {
  readonly name: string
  readonly #clock: Clock
  readonly #events: EarlyEvents
  #state: 'open' | 'closed' = 'open'
  #failure: unknown
  #database: Promise<IDBDatabase> | undefined
  #current: IDBDatabase | undefined
  #check: ((store: IDBObjectStore) => Promise<void>) | undefined

  constructor(name: string, clock: Clock, events: EarlyEvents) {
    this.name = name
    this.#clock = clock
    this.#events = events
  }

  /** From now on a fresh connection is used only after this check passed; it may reject when the disk is not the one it was. */
  checkOnReopen(check: (store: IDBObjectStore) => Promise<void>): void {
    this.#check = check
  }

  /** Runs the steps in one transaction and resolves with their result: for `readwrite` after the commit, else when the requests are done. */
  async transact<Result>(options: TransactionOptions, steps: TransactionSteps<Result>): Promise<Result> {
    for (let attempt = 0; ; attempt++) {
      if (this.#state === 'closed') throw new StorageError('CLOSED')
      if (this.#failure !== undefined) throw this.#failure
      let database: IDBDatabase | undefined
      try {
        database = await this.#connected()
        return await once(database, options, steps)
      } catch (error) {
        if (!LOST.has(errorName(error) ?? '') || error instanceof StorageError) throw error
        if (attempt >= RECONNECT_ATTEMPTS) {
          throw new StorageError('CONNECTION_LOST', undefined, { cause: error, context: { database: this.name } })
        }
        if (database) this.#drop(database)
        await this.#clock.sleep(RECONNECT_DELAY_MS * 2 ** attempt)
      }
    }
  }

  /** Closes; transactions under way still finish. */
  close(): void {
    this.#state = 'closed'
    this.#current?.close()
    this.#current = undefined
    this.#database = undefined
  }

  #connected(): Promise<IDBDatabase> {
    if (this.#database) return this.#database
    const opening = this.#open()
    this.#database = opening
    opening.catch(() => {
      if (this.#database === opening) this.#database = undefined
    })
    return opening
  }

  async #open(): Promise<IDBDatabase> {
    const database = await openDatabase(this.name, this.#clock)
    if (this.#state === 'closed') {
      database.close()
      throw new StorageError('CLOSED')
    }
    database.addEventListener('close', () => this.#drop(database))
    database.addEventListener('versionchange', () =>
      // The connection stays: closing it would let the deletion through under a disk that is in use.
      this.#events.emit('warning', {
        message: `Somebody asks to delete ${this.name}; that waits until this disk is closed.`,
      }),
    )
    this.#current = database
    if (this.#check) {
      try {
        await once(database, { mode: 'readonly' }, this.#check)
      } catch (error) {
        // A check that fails for good must not be passed by the next call on an empty database that opening has just made.
        if (error instanceof StorageError) this.#failure = error
        this.#drop(database)
        throw error
      }
      this.#events.emit('reopened', {
        message: `The browser dropped the connection to ${this.name}; it was opened again.`,
      })
    }
    return database
  }

  #drop(database: IDBDatabase): void {
    database.close()
    if (this.#current !== database) return
    this.#current = undefined
    this.#database = undefined
  }
}

/** Opens a database with our store in it, creating both where needed. */
async function openDatabase(name: string, clock: Clock): Promise<IDBDatabase> {
  if (globalThis.indexedDB === undefined) throw new StorageError('NOT_SUPPORTED', 'There is no IndexedDB here.')
  // A store of idb-keyval keeps the connection it has opened, dead or not; so each attempt makes its own.
  const useStore = createStore(name, STORE)
  const opening = useStore('readonly', (store) => store.transaction.db)
  const stopTimer = new AbortController()
  const late = clock.sleep(OPEN_TIMEOUT_MS, stopTimer.signal).then(() => {
    opening.then((database) => database.close()).catch(() => {}) // Too late to matter to anybody.
    throw new StorageError(
      'OPEN_FAILED',
      `The database ${name} did not open; a deletion in another tab may wait for it.`,
    )
  })
  try {
    return await Promise.race([opening, late])
  } catch (error) {
    if (errorName(error) === 'NotFoundError') {
      throw new StorageError('CORRUPT', `The database ${name} is not a disk of ours.`, { cause: error })
    }
    throw LOST.has(errorName(error) ?? '') ? error : platformError(error, 'OPEN_FAILED', { database: name })
  } finally {
    stopTimer.abort()
    late.catch(() => {}) // Stopped, or reported above.
  }
}

/** One attempt at a transaction. */
async function once<Result>(
  database: IDBDatabase,
  options: TransactionOptions,
  steps: TransactionSteps<Result>,
): Promise<Result> {
  const { mode, durability = 'relaxed' } = options
  const transaction = database.transaction(STORE, mode, { durability })
  // Not promisifyRequest: on a transaction it rejects at the first failed request, before `transaction.error` says why.
  const finished = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () =>
      reject(transaction.error ?? new DOMException('The transaction was aborted', 'AbortError'))
  })
  finished.catch(() => {}) // Awaited below unless the steps fail first.
  let result: Result
  try {
    result = await steps(transaction.objectStore(STORE))
  } catch (error) {
    const reason =
      errorName(error) === 'AbortError'
        ? await finished.then(
            () => error,
            (cause: unknown) => cause,
          )
        : error
    try {
      transaction.abort()
    } catch {
      // It has ended already.
    }
    throw reason
  }
  if (mode === 'readonly') return result
  await finished
  return result
}

/**
 * Deletes a database; resolves also when there was none.
 * @throws StorageError `LOCKED` when a connection to it stays open for all of `timeoutMs`; the browser then deletes it when that one closes.
 */
export async function deleteDatabase(name: string, options: { timeoutMs: number; clock: Clock }): Promise<void> {
  if (globalThis.indexedDB === undefined) throw new StorageError('NOT_SUPPORTED', 'There is no IndexedDB here.')
  const stopTimer = new AbortController()
  // Not at the first `blocked`: a connection that is closing still counts as open until its last transaction has ended.
  const late = options.clock.sleep(options.timeoutMs, stopTimer.signal).then(() => {
    throw new StorageError('LOCKED', undefined, { context: { database: name } })
  })
  try {
    await Promise.race([promisifyRequest(indexedDB.deleteDatabase(name)), late])
  } finally {
    stopTimer.abort()
    late.catch(() => {}) // Stopped, or thrown above.
  }
}
