/** WebAssembly grows memory in pages of this size. */
export const MEMORY_PAGE_BYTES = 65536

/** The last page of the 32-bit address space stays unused, so that the end of every range is still a 32-bit number. */
export const LARGEST_MEMORY_BYTES = 2 ** 32 - MEMORY_PAGE_BYTES

/** Memory starts with one page and then grows by at least this much: growing detaches views, so it must be rare. */
export const SMALLEST_GROWTH_BYTES = 2 ** 20

/** Beyond the need, memory never grows by more than this: doubling a gigabyte would take an address space nobody asked for. */
export const GROWTH_STEP_BYTES = 2 ** 28

/**
 * Bytes in flight of all migrations of a realm together: 32 runs of 1 MiB, or two of the largest blocks. Enough for an 8 MiB database transaction
 * with the next one queued behind it; little enough for a phone.
 */
export const STAGING_BYTES = 2 ** 25

/** Smaller slots would only be more pieces of the same pool. */
export const SMALLEST_SLOT_BYTES = 4096
