const KiB = 1024
const MiB = 1024 * KiB

/** Where the database begins: a multiple of every page size, so that a page lies within one block and one record of a storage. */
export const DATABASE_START = 64 * KiB

/** Smallest disk: head, a database of a few tables and its journal. */
export const SMALLEST_DISK = 256 * KiB

/** Neighbouring writes that are gathered into one: a call of OPFS costs some 50 µs at any length, and SQLite writes a journal in pieces of 4 bytes. */
export const GATHER_BYTES = 256 * KiB

/** Bytes of writes under way in a storage that answers later, before SQLite waits for them. */
export const BYTES_UNDER_WAY = 8 * MiB

/** A journal is checked in pieces of this size: as much of it is kept in memory. */
export const JOURNAL_PIECE = 64 * KiB

/** Least room for a journal: it moves when it must become larger, and leaves what it wrote behind, so it starts large enough for most. */
export const SMALLEST_JOURNAL = 1 * MiB

/** Bytes of a block of a database that moves: what is marked dirty by a write to any part of it. */
export const MOVE_BLOCK = 64 * KiB

/** Bytes of one step of an import or an export. */
export const COPY_BYTES = 1 * MiB

/** Milliseconds in which a connection that waited for a lock may take it, before the next one is told: it may have to read first. */
export const TURN_MS = 1000

/** Milliseconds that SQLite has the thread for itself while its disk moves, and then others: a quarter of a frame. */
export const SHARE_MS = 4

/** Bytes written to the destination of a swap before they are flushed: 256 MiB at once would hold a worker, and every query in it, for seconds. */
export const FLUSH_BYTES = 2 * MiB

/** Bytes of one read and write of a swap: a transaction of IndexedDB that writes waits for all reads before it. */
export const SWAP_RUN_BYTES = 512 * KiB

/**
 * Milliseconds that a run of a swap waits for statements under way before it goes, longer than most: they share IndexedDB, one run at a time is little to wait for, and a
 * database that is asked all the time moves all the same.
 */
export const GIVE_WAY_MS = 100

/** Reads of a swap under way: more only queue in front of the queries. */
export const SWAP_CONCURRENCY = 1
