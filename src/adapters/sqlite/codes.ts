/** Result codes of SQLite that a file system answers with (https://www.sqlite.org/rescode.html). */
export const RESULT = {
  ok: 0,
  error: 1,
  busy: 5,
  ioError: 10,
  notFound: 12,
  full: 13,
  cannotOpen: 14,
  readOnly: 8,
  readOnlyMoved: 1032,
  ioRead: 266,
  ioShortRead: 522,
  ioWrite: 778,
  ioSync: 1034,
  ioTruncate: 1546,
  ioDelete: 2570,
  ioClose: 4106,
} as const

/** Flags with which SQLite opens a file (https://www.sqlite.org/c3ref/c_open_autoproxy.html). */
export const OPEN = {
  create: 0x4,
  deleteOnClose: 0x8,
  mainDatabase: 0x100,
  superJournal: 0x4000,
  wal: 0x80000,
} as const

/** What a file system says of its files (https://www.sqlite.org/c3ref/c_iocap_atomic.html). */
export const IOCAP = {
  safeAppend: 0x200,
  undeletableWhenOpen: 0x800,
  powersafeOverwrite: 0x1000,
} as const

/** Op codes of `xFileControl` that are answered. */
export const FCNTL = { pragma: 14 } as const
