/** Bytes stored before the journal is told which blocks they are: what is sent again after a kill, beside what was under way. Telling costs 284 bytes. */
export const CHECKPOINT_BYTES = 2 ** 20

/** Bytes stored before the disk is flushed for the journal's sake: what a power loss costs. Flushing more often would slow disks down. */
export const FLUSHED_BYTES = 2 ** 26

/** Requests for digests that wait for an answer at a time: 1 MiB of answers, and the pages of a terabyte are compared within two round trips. */
export const DIGEST_REQUESTS = 16

/**
 * Pages of digests of pieces that a source remembers of what it has sent, 16 MiB: the last 8 GiB of the disk that went out. What is written again and again
 * stays among them.
 */
export const SENT_PAGES = 512

/**
 * Bytes that a source remembers the pieces of before anybody has written: who is going to write has mostly done so by then. Hashing them takes 20 ms in all, and
 * a disk that nobody writes is not hashed twice any further.
 */
export const UNWRITTEN_BYTES = 2 ** 26

/** Bytes of an older copy that are read at once, to be hashed. */
export const HASHED_BYTES = 2 ** 20

/** Disks of one group: their records fit into one block of a storage, and what announces them into what is kept of a peer before somebody listens. */
export const GROUP_DISKS = 64

/** Longest control message of a group; it is held in memory whole, and passes the blocks. */
export const GROUP_MESSAGE_BYTES = 2 ** 16

/** Control messages that may wait for their turn: each is answered before the next goes. */
export const GROUP_MESSAGES = 256

/** Rounds over dirty blocks of a group that may leave a rest: the first ones save the most, and the rest comes in any case. */
export const GROUP_AUTO_ROUNDS = 3

/** Bytes that each side hashes for one answer when disks are compared: a tenth of a second, so that progress shows and an interrupt is soon heard. */
export const COMPARED_BYTES = 2 ** 26
