/**
 * Calls that one waiting cache holds at once. An NBD client has 16 to 128 under way, a page fewer; who has more than this waiting does not look at
 * answers. 16,384 calls are a few MiB, and comparing a new write with as many older ones takes less than storing a block.
 */
export const WAITING_CALLS = 16384
