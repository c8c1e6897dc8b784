/** Bytes of neighbouring blocks that travel together, one read and one write, where neither storage prefers more. Past 1 MiB most calls get no cheaper. */
export const RUN_BYTES = 2 ** 20

/** Longest run of neighbouring blocks, whatever a caller or a storage prefers: several must fit into staging memory. */
export const LARGEST_RUN_BYTES = 2 ** 22

/** Runs in flight. 16 MiB keep an 8 MiB database transaction busy with the next one queued behind it. */
export const CONCURRENCY = { standard: 16, dirty: 16, priority: 4 } as const

/**
 * Short runs that share the slot of a long one: scattered blocks are a few KiB each, and 16 of them under way would leave a link with a round trip
 * of a millisecond half empty.
 */
export const SLOT_PARTS = 16

/** Most runs in flight of one kind that a caller may ask for: staging memory is the real bound, this one keeps queues short. */
export const LARGEST_CONCURRENCY = 1024

/** A hole that goes on is taken in pieces of about this size: a terabyte of nothing is 64 of them, 54 KiB on the wire with what stands between. */
export const HOLE_BYTES = 2 ** 34

/** How far ahead a hole is looked for at first; a database lists every record of what it is asked about, and most holes are short. */
export const FIRST_HOLE_BYTES = 2 ** 23

/** Synchronous copying lets other tasks run this often, a quarter of a frame: the writer, messages and timers share the thread. */
export const YIELD_MS = 4

/** Attempts at one run before its blocks count as failed: a passing fault passes, a lasting one should show soon. */
export const ATTEMPTS = 3

/** Wait before the second attempt; doubled before each further one. */
export const RETRY_DELAY_MS = 20

/** Retries of a whole migration: a storage that needs more than this is broken, and waiting for it would only hide that. */
export const RETRIES = 256

/** Failures kept one by one; further ones are counted. */
export const FAILURES_KEPT = 100

/** Least time between two progress reports. */
export const PROGRESS_INTERVAL_MS = 100

/** Time constant of the rates that are shown: long enough to be readable, short enough to follow a writer that starts. */
export const RATE_WINDOW_MS = 1000

/** Runs that are read back at the same time while verifying. */
export const VERIFY_CONCURRENCY = 4

/** Rounds over dirty blocks before a migration gives up. */
export const ROUNDS = 30

/** Longest pause of the writer that is accepted without asking. */
export const PAUSE_MS = 500

/**
 * What a pause may last longer than the longest one that is accepted before it is undone: what was predicted is exceeded now and then, and a busy hard
 * disk takes a second to flush. Who has not answered by then hangs.
 */
export const PAUSE_GRACE_MS = 2000

/** A predicted pause this short is not worth another round. */
export const TARGET_PAUSE_MS = 2

/** A round that shortens the predicted pause by less than this share has not helped. */
export const WORTHWHILE_SHARE = 0.1

/** Rounds in a row that have not helped before the shortest pause counts as reached. */
export const FRUITLESS_ROUNDS = 2

/** Longest name of a boot that a journal keeps: systems use 36 characters. */
export const BOOT_ID_BYTES = 64

/** Pages of 256 blocks that a journal keeps: a disk of 2^28 blocks, 16 TiB of 64 KiB. */
export const LARGEST_PAGE_COUNT = 2 ** 20

/** Longest record of a journal: a page map with one byte for each page, and what stands before it. */
export const LARGEST_RECORD_BYTES = LARGEST_PAGE_COUNT + 4096

/** Bytes of one read while a journal is loaded: some hundred pages, and no more memory than a run of blocks. */
export const JOURNAL_READ_BYTES = 2 ** 20

/** Journal writes under way at once when many pages changed. */
export const JOURNAL_WRITES = 16

/** Between two looks at whether a pass still pays: some milliseconds of a fast link, and few enough that the look costs nothing. */
export const SLICE_BYTES = 2 ** 23

/**
 * Copies that the writer may make void before an `auto` migration hands the disk over, as a share of the disk. Each of them is sent twice, so
 * this bounds what moving ahead can cost, whatever the writer does: 1.04 times the disk is sent at most, and what becomes dirty while the last runs land.
 */
export const RESENT_SHARE = 0.04

/** How long is measured before limits in time are refused: a slow start of the link should not decide. */
export const PROBE_MS = 250

/** Share of the time to the deadline kept in hand for what cannot be measured before: hand-over, last flush, a link that gets slower. */
export const DEADLINE_RESERVE = 0.05

/** Least time between the beginnings of two rounds of a replica: what is written again and again in a second goes once. */
export const SYNC_PERIOD_MS = 1000

/** Longest time that blocks of a replica wait for their age: a block written without end would never go. */
export const SYNC_MAX_AGE_MS = 10_000

/** Wait after a round of a replica that failed; doubled after each further one, up to `SYNC_LONGEST_RETRY_MS`. */
export const SYNC_RETRY_MS = 1000

/** A destination that is away for hours is asked once a minute. */
export const SYNC_LONGEST_RETRY_MS = 60_000
