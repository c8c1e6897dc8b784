/** WebAssembly grows memory in pages of this size. */
export const MEMORY_PAGE_BYTES = 65536

/** The last page of the 32-bit address space stays unused, so that the end of every range is still a 32-bit number. */
export const LARGEST_MEMORY_BYTES = 2 ** 32 - MEMORY_PAGE_BYTES

/** Memory starts with one page and then grows by at least this much: growing detaches views, so it must be rare. */
export const SMALLEST_GROWTH_BYTES = 2 ** 20

/** Beyond the need, memory never grows by more than this: doubling a gigabyte would take an address space nobody asked for. */
export const GROWTH_STEP_BYTES = 2 ** 28
