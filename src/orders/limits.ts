/**
 * Priority requests kept at once. A reader that asks for more than this has asked for the whole disk: further blocks come in their turn.
 * 65,536 requests are 4 GiB at 64 KiB a block and a few MiB of memory.
 */
export const PRIORITY_REQUESTS = 65536

/**
 * Blocks remembered as read lately: what a program reads again within seconds fits, 256 MiB at 64 KiB a block, and a scan of a large file does not
 * make this more than a few hundred KiB of memory.
 */
export const RECENT_READS = 4096
