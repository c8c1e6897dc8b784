import { V86Disk } from '../../../src/adapters/v86/v86-disk.ts'
import type { Clock } from '../../../src/async/clock.ts'
import { seededRandom } from '../../../src/async/random.ts'
import { errorCode } from '../../../src/errors/storage-error.ts'
import { IndexedDbStorage } from '../../../src/sources/indexeddb.ts'
import { OpfsStorage } from '../../../src/sources/opfs.ts'
import type { StorageProvider } from '../../../src/storage/provider.ts'
import { StorageWrapper } from '../../../src/storage/wrapper.ts'

/** The two kinds of disks that outlive a page, and the slow form of one. */
export type DiskKind = 'indexeddb' | 'opfs' | 'opfs-async'

/** Bytes of the disks of these scenarios. */
const SIZE = 8 * 2 ** 20

/** Disks this context has open, so that a test can go on with one in a later call. */
const open = new Map<string, StorageProvider>()
const warnings: string[] = []

/** Bytes that differ per salt and cannot be compressed: Chromium compresses IndexedDB values, and its quota counts what is left. */
function pattern(length: number, salt: number): Uint8Array {
  const random = seededRandom(salt)
  return Uint8Array.from({ length }, () => random() * 256)
}

/** A clock on which waiting takes no time, for what would otherwise back off for seconds; time limits are never reached. */
const impatient: Clock = {
  now: () => 0,
  sleep: (ms) => (ms < 5000 ? Promise.resolve() : new Promise(() => {})),
  yield: async () => {},
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index])
}

/** Resolves with the code of the failure, or `none`. */
async function codeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work()
    return 'none'
  } catch (error) {
    return errorCode(error) ?? String(error)
  }
}

function settled<Value>(request: IDBRequest<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

/** Works on the store of a disk behind its back. */
async function inDatabase<Value>(
  name: string,
  mode: IDBTransactionMode,
  work: (store: IDBObjectStore) => Promise<Value>,
): Promise<Value> {
  const database = await settled(indexedDB.open(`blockferry:${name}`))
  try {
    return await work(database.transaction('disk', mode).objectStore('disk'))
  } finally {
    database.close()
  }
}

/** What tests have done in a page, a worker or a shared worker; arguments and results survive structured clone. */
export const scenarios = {
  /** Opens a disk and keeps it, one that must exist for size null; resolves with the code of the failure, or `none`. */
  open: (
    kind: DiskKind,
    name: string,
    options: { size?: number | null; lockTimeoutMs?: number; recordSize?: number } = {},
  ) =>
    codeOf(async () => {
      const { size = SIZE, ...rest } = options
      const all = size === null ? rest : { size, ...rest }
      const disk =
        kind === 'indexeddb'
          ? await IndexedDbStorage.open(name, all)
          : await OpfsStorage.open(name, { ...all, access: kind === 'opfs' ? 'sync' : 'async' })
      disk.on('warning', (event) => warnings.push(event.message))
      disk.on('reopened', (event) => warnings.push(event.message))
      open.set(name, disk)
    }),
  write: (name: string, offset: number, length: number, salt: number) =>
    codeOf(() => open.get(name)!.writeAt(pattern(length, salt), offset)),
  flush: (name: string) => codeOf(() => open.get(name)!.flush()),
  close: (name: string) => codeOf(() => open.get(name)!.close()),
  /** Whether the disk holds what `write` with the same arguments wrote. */
  holds: async (name: string, offset: number, length: number, salt: number) => {
    const target = new Uint8Array(length)
    await open.get(name)!.readAt(target, offset)
    return sameBytes(target, pattern(length, salt))
  },
  delete: (kind: DiskKind, name: string) =>
    codeOf(() => (kind === 'indexeddb' ? IndexedDbStorage : OpfsStorage).delete(name, { lockTimeoutMs: 100 })),
  list: (kind: DiskKind) => (kind === 'indexeddb' ? IndexedDbStorage : OpfsStorage).list(),
  /** Events heard so far. */
  warnings: async () => warnings,

  /** Closes every connection behind the storage's back, as WebKit does to pages in the background, while writes are queued. */
  loseConnection: async (name: string) => {
    const original = IDBDatabase.prototype.transaction
    let failures = 2
    IDBDatabase.prototype.transaction = function (...args) {
      if (failures-- > 0) this.close()
      return original.apply(this, args)
    }
    try {
      return await Promise.all([0, 1, 2, 3].map((index) => scenarios.write(name, index * 1000, 1000, index)))
    } finally {
      IDBDatabase.prototype.transaction = original
    }
  },
  /** The same, and the database never opens again. */
  loseConnectionForEver: async (name: string) => {
    const disk = await IndexedDbStorage.open(name, { size: SIZE, clock: impatient })
    const original = indexedDB.open
    const { transaction } = IDBDatabase.prototype
    IDBDatabase.prototype.transaction = () => {
      throw new DOMException(
        'Connection to Indexed Database server lost. Refresh the page to try again',
        'UnknownError',
      )
    }
    try {
      return [
        await codeOf(() => disk.writeAt(new Uint8Array(10), 0)),
        await codeOf(() => disk.readAt(new Uint8Array(10), 0)),
      ]
    } finally {
      indexedDB.open = original
      IDBDatabase.prototype.transaction = transaction
      await disk.close()
    }
  },
  /** Somebody deletes the database under an open disk; resolves with what became of that once the disk is closed. */
  deleteUnder: async (name: string) => {
    const request = indexedDB.deleteDatabase(`blockferry:${name}`)
    const deleted = new Promise<string>((resolve) => {
      request.onsuccess = () => resolve('deleted')
      request.onerror = () => resolve('failed')
    })
    await new Promise<void>((resolve) => {
      request.onblocked = () => resolve()
    })
    const stillHolds = await scenarios.holds(name, 0, 1000, 1)
    await scenarios.close(name)
    return [stillHolds, await deleted]
  },

  /** Whether there are Web Locks from here on. */
  withoutLocks: async () => {
    Object.defineProperty(navigator, 'locks', { value: undefined, configurable: true })
  },
  /** Writes pieces of `length` that are views into one large buffer, all at once; resolves with how many transactions that took. */
  countTransactions: async (name: string, count: number, length: number) => {
    const original = IDBDatabase.prototype.transaction
    let transactions = 0
    IDBDatabase.prototype.transaction = function (...args) {
      transactions++
      return original.apply(this, args)
    }
    try {
      const data = pattern(count * length, 5)
      const pieces = Array.from({ length: count }, (_, index) => data.subarray(index * length, (index + 1) * length))
      await Promise.all(pieces.map((piece, index) => open.get(name)!.writeAt(piece, index * length)))
      return transactions
    } finally {
      IDBDatabase.prototype.transaction = original
    }
  },
  /** Numbers of the stored records, and the bytes each value keeps alive. */
  storedRecords: (name: string) =>
    inDatabase(name, 'readonly', async (store) => {
      const keys = await settled(store.getAllKeys(IDBKeyRange.bound(0, Number.MAX_SAFE_INTEGER)))
      const values: Uint8Array[] = await settled(store.getAll(IDBKeyRange.bound(0, Number.MAX_SAFE_INTEGER)))
      return values.map((value, index) => [keys[index], value.buffer.byteLength])
    }),
  /** Stores something in a disk's database as a broken program might. */
  tamper: (name: string, key: IDBValidKey, value: unknown) =>
    inDatabase(name, 'readwrite', async (store) => void (await settled(store.put(value, key)))),
  zero: (name: string, offset: number, length: number) => codeOf(() => open.get(name)!.zeroAt!(offset, length)),
  read: (name: string, offset: number, length: number) =>
    codeOf(() => open.get(name)!.readAt(new Uint8Array(length), offset)),
  extents: (name: string, offset: number, length: number) => open.get(name)!.extents!(offset, length),
  /** Makes a database of our name that is not ours. */
  makeForeign: async (name: string) => {
    const request = indexedDB.open(`blockferry:${name}`)
    request.onupgradeneeded = () => request.result.createObjectStore('something')
    ;(await settled(request)).close()
  },

  /** Has the next `write` of every sync handle return these counts; resolves with the code of one write. */
  withWriteCounts: async (name: string, counts: number[]) => {
    const { prototype } = (
      globalThis as unknown as Record<string, { prototype: { write: (...args: never[]) => number } }>
    ).FileSystemSyncAccessHandle
    const original = prototype.write
    prototype.write = function (...args) {
      const count = counts.shift()
      if (count === undefined) return original.apply(this, args)
      const [bytes, options] = args as unknown as [Uint8Array, unknown]
      if (count <= bytes.length) original.call(this, ...([bytes.subarray(0, count), options] as never[]))
      return count
    }
    try {
      return await scenarios.write(name, 0, 10_000, 9)
    } finally {
      prototype.write = original
    }
  },
  /** Has opening a sync handle fail with these errors first; resolves with the code of `open`. */
  withOpenErrors: async (name: string, errors: string[], lockTimeoutMs: number) => {
    const prototype = FileSystemFileHandle.prototype as unknown as { createSyncAccessHandle: () => Promise<unknown> }
    const original = prototype.createSyncAccessHandle
    prototype.createSyncAccessHandle = function () {
      const error = errors.shift()
      return error === undefined ? original.call(this) : Promise.reject(new DOMException('for a test', error))
    }
    try {
      return await scenarios.open('opfs', name, { lockTimeoutMs })
    } finally {
      prototype.createSyncAccessHandle = original
    }
  },
  /** Opens with a worker that cannot be started, then one that fails while loading; resolves with the warnings. */
  withoutWorker: async (name: string) => {
    const heard: string[] = []
    const workers = [
      () => {
        throw new Error('refused by policy')
      },
      () => new Worker('data:text/javascript,throw new Error("broken")'),
    ]
    for (const worker of workers) {
      const disk = await OpfsStorage.open(name, { size: 100_000, worker })
      disk.on('warning', (event) => heard.push(event.message))
      await disk.writeAt(pattern(1000, 3), 500)
      const target = new Uint8Array(1000)
      await disk.readAt(target, 500)
      if (!sameBytes(target, pattern(1000, 3))) heard.push('read something else')
      await disk.close()
    }
    return heard
  },
  /** Gives the file back, then writes over one range again and again at once; the last write must win. */
  writeAfterRelease: async (name: string) => {
    const disk = open.get(name) as OpfsStorage
    await disk.release()
    const first = [1, 2, 3].map((salt) => disk.writeAt(pattern(1000, salt), 0))
    const later = first[0].then(() => disk.writeAt(pattern(1000, 4), 0))
    await Promise.all([...first, later])
    return scenarios.holds(name, 0, 1000, 4)
  },
  /** The codes of the synchronous calls while the file is given back, and after an asynchronous call has taken it again. */
  synchronousAfterRelease: async (name: string) => {
    const disk = open.get(name) as OpfsStorage
    await disk.release()
    const calls = async () => [
      await codeOf(async () => disk.readAtSync!(new Uint8Array(10), 0)),
      await codeOf(async () => disk.writeAtSync!(new Uint8Array(10), 0)),
      await codeOf(async () => disk.flushSync!()),
    ]
    const before = await calls()
    await disk.flush()
    return [before, await calls()]
  },
  /** The page is left for the back/forward cache and comes back. */
  hidePage: async () => {
    dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))
  },
  /** A guest's disk is written in many places and the page left in the same turn: how many writes and flushes were asked for by then, and whether all of them end. */
  leaveWhileWriting: async (name: string, writes: number) => {
    const asked = { writes: 0, flushes: 0 }
    class Counted extends StorageWrapper {
      override writeAt(data: Uint8Array, offset: number) {
        asked.writes++
        return this.inner.writeAt(data, offset)
      }
      override flush() {
        asked.flushes++
        return this.inner.flush()
      }
    }
    const disk = new V86Disk(new Counted(open.get(name)!))
    for (let write = 0; write < writes; write++) disk.set(write * 4096, pattern(512, write), () => {})
    dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))
    const atOnce = { ...asked }
    await disk.settle()
    let held = 0
    for (let write = 0; write < writes; write++) {
      if (await scenarios.holds(name, write * 4096, 512, write)) held++
    }
    return { ...atOnce, held }
  },
  /** Writes 300 MiB in one call to a fresh disk, which must arrive in bounded pieces, and checks a few places. */
  writeLarge: async (kind: DiskKind, name: string) => {
    const size = 40 * 2 ** 20 + 12_345
    await scenarios.open(kind, name, { size })
    const data = new Uint8Array(size)
    for (let index = 0; index < size; index += 4099) data[index] = 1 + (index % 255)
    const disk = open.get(name)!
    await disk.writeAt(data, 0)
    const target = new Uint8Array(size)
    await disk.readAt(target, 0)
    await disk.close()
    return target.every((byte, index) => byte === data[index])
  },
}

export type Scenarios = typeof scenarios
export type ScenarioName = keyof Scenarios

/** Calls a scenario by name. */
export function runScenario(name: ScenarioName, args: unknown[]): Promise<unknown> {
  return (scenarios[name] as (...args: unknown[]) => Promise<unknown>)(...args)
}
