const KiB = 1024
const MiB = 1024 * KiB

/** Bytes of one option's data. The longest we know, a list of context queries, has 4 KiB a query and rarely more than two. */
export const OPTION_BYTES = 64 * KiB

/** Bytes of an export name, a context query or a message: what the protocol allows for any string. */
export const STRING_BYTES = 4096

/** Options of one handshake. `qemu-img` asks for each export it was told of; more is somebody who does not want to come in. */
export const OPTIONS = 1024

/** Milliseconds from the connection to the end of the handshake: a few round trips, even over a bad link. */
export const HANDSHAKE_TIMEOUT_MS = 10_000

/** Bytes of one read or write: what the protocol asks every server to accept, and what we advertise. */
export const REQUEST_BYTES = 32 * MiB

/** Requests of one connection under way: the Linux kernel sends up to 128, `nbdcopy` 64, QEMU 16. */
export const REQUESTS_IN_FLIGHT = 128

/**
 * Bytes of data that the requests of one connection hold together: one of the largest, or the 16 MiB `nbdcopy` keeps under way twice over.
 * Past it the socket is not read. With {@link CONNECTIONS} it bounds the memory of a server: 1 GiB when every client does its worst.
 */
export const BYTES_IN_FLIGHT = REQUEST_BYTES

/**
 * Bytes that may wait in a socket before the next request is started. More than the kernel's buffer (208 KiB on Linux), so that it never
 * runs dry; little enough that the data sent next is still in the processor's cache.
 */
export const SEND_AHEAD_BYTES = 1 * MiB

/** Connections at the same time: `nbdcopy` opens 4, a virtual machine 1 for each disk. */
export const CONNECTIONS = 32

/** Milliseconds a client has to take its last replies when the server closes: it may have stopped reading. */
export const CLOSE_TIMEOUT_MS = 5_000

/** Bytes of idle buffers kept for the next requests, all connections together. */
export const IDLE_BUFFER_BYTES = 32 * MiB

/** Zeroes in a row that are worth a chunk of their own in a read: a chunk costs 32 bytes and a copy more on both sides. */
export const HOLE_BYTES = 16 * KiB

/** Bytes of one step when zeroes have to be written out. */
export const ZERO_BYTES = 1 * MiB

/** Bytes zeroed between two chances for others to run: memory is wiped at 10 GB/s or so, and 4 GiB may be asked for at once. */
export const ZERO_STEP_BYTES = 64 * MiB

/** Ranges in one answer about allocation: 64 KiB on the wire. The client asks again for the rest. */
export const STATUS_EXTENTS = 8192

/** Bytes of disk one such question looks at: on the finest sparse disk, with 64 KiB pages, no more than {@link STATUS_EXTENTS} ranges. */
export const STATUS_BYTES = 512 * MiB

/** Bytes read from a socket at once while requests are expected: what Node reads by itself; payloads have a place of their own. */
export const RECEIVE_BYTES = 64 * KiB

/** Messages below this leave together, those of one turn in one system call; a larger one is worth a call of its own. */
export const BATCH_BYTES = 16 * KiB
