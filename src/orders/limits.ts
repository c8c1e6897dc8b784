/**
 * Priority requests kept at once. A reader that asks for more than this has asked for the whole disk: further blocks come in their turn.
 * 65,536 requests are 4 GiB at 64 KiB a block and a few MiB of memory.
 */
export const PRIORITY_REQUESTS = 65536
