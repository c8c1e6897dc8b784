/** Milliseconds of looking for changed memory before the guest has its turn: a tick of the emulator takes about as long, so it runs half of the time at least. */
export const SCAN_MS = 1

/**
 * Bytes of memory that are read between two turns of a guest that runs: to hash, copy and send them takes a fraction of a tick of the emulator, and without
 * those turns as much as its processor has left over.
 */
export const TURN_BYTES = 2 ** 16

/**
 * Bytes a guest may have written that are not stored yet: beyond it, its next write by DMA waits. The largest write of an IDE disk is 32 MiB, but Linux
 * writes 512 KiB at once to one; this is a fraction of a second on a slow phone, and little beside the guest's own memory.
 */
export const WRITE_BACK_BYTES = 8 * 2 ** 20

/**
 * Bytes not stored yet at which a guest is told to be too far ahead, as an error that can stop it. Only writes by PIO get there, which do not wait, to a storage
 * that has failed or stalled: as much again is half a second of the fastest guest.
 */
export const TOO_FAR_AHEAD_BYTES = 4 * WRITE_BACK_BYTES

/** Bytes not stored yet at which a write is refused, and lost if nobody stopped the guest: a page that runs out of memory loses all of them. */
export const MOST_PENDING_BYTES = 2 * TOO_FAR_AHEAD_BYTES

/** Bytes of neighbouring writes that are stored with one call: what a storage answers a call with costs as much as a few hundred KiB. */
export const STORED_AT_ONCE_BYTES = 2 ** 20

/** Milliseconds after a write until what was stored is flushed: what a guest loses that asked for no more. Its own flushes do not reach the disk. */
export const FLUSH_MS = 1000

/** Bytes of the longest description of a machine that is taken from a peer: what is said of a hundred devices takes some thousand. */
export const DESCRIPTION_BYTES = 2 ** 15

/** Bytes of the state of a machine, without memory and disk, that are taken from a peer: a screen's memory makes up most of it, and no guest needs more than this. */
export const STATE_BYTES = 2 ** 28

/** Share of the state that is kept free, for parts that grow until the guest is stopped. */
export const STATE_ROOM = 0.25

/** Bytes of a disk that is taken from a peer without another word: what a guest in a page works with, and below the quota of any browser that has room at all. */
export const LARGEST_DISK_BYTES = 2 ** 31

/** Bytes of memory that are taken from a peer without another word: what the emulator can address. */
export const LARGEST_MEMORY_BYTES = 2 ** 31

/** Milliseconds to wait for the word that a guest which was given away runs: it comes a round trip later, or never. What is lost without it is a number. */
export const RUNS_MS = 5000
