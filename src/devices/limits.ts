/** Bytes stored before the journal is told which blocks they are: what is sent again after a kill, beside what was under way. */
export const CHECKPOINT_BYTES = 2 ** 22

/** Bytes stored before the disk is flushed for the journal's sake: what a power loss costs. Flushing more often would slow disks down. */
export const FLUSHED_BYTES = 2 ** 26

/** Bytes of an older copy that are read at once, to be hashed. */
export const HASHED_BYTES = 2 ** 20
