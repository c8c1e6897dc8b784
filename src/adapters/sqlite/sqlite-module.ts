/** What a file system needs of a build of SQLite: what its factory resolves with. */
export interface SqliteModule {
  readonly HEAPU8: Uint8Array
  /** Present in builds that can wait. */
  readonly handleAsync?: unknown
  /** What is waited for before a call that failed is tried again; made by `Factory(module)`. */
  retryOps?: Promise<void>[]
  _sqlite3_malloc(bytes: number): number
}

/** A 32-bit or 64-bit number in the memory of SQLite, or in a test. */
export interface NumberOut {
  setInt32(at: number, value: number, littleEndian: boolean): void
  setBigInt64(at: number, value: bigint, littleEndian: boolean): void
}

/** Bytes in the memory of SQLite: an array, or something that finds them anew when that memory has grown. */
export interface BytesInSqlite {
  readonly byteLength: number
  subarray(from?: number, to?: number): Uint8Array
  set(bytes: Uint8Array, at?: number): void
}

/** What `FacadeVFS` of wa-sqlite gives to whoever extends it. */
export interface Facade {
  readonly name: string
  readonly _module: SqliteModule
  hasAsyncMethod(name: string): boolean
  close(): void | Promise<void>
}

/** Builds of wa-sqlite: one that cannot wait, and two that can. */
export type SqliteBuild = 'sync' | 'jspi' | 'asyncify'

/**
 * The build for a database: `sync` for storages that answer at once (memory; OPFS in a worker), unless it is to move to one that does not. Else `jspi`,
 * where the machine can suspend WebAssembly, or `asyncify`, which is twice as large and runs everywhere.
 */
export function chooseBuild({ answersAtOnce }: { readonly answersAtOnce: boolean }): SqliteBuild {
  if (answersAtOnce) return 'sync'
  return 'Suspending' in WebAssembly ? 'jspi' : 'asyncify'
}
