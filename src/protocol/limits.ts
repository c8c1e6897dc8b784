import { LARGEST_BLOCK_SIZE } from '../errors/invalid-argument-error.ts'

/**
 * Bytes that compressed data of one write may grow to: the largest block there is. A peer that moves several blocks at once stays far
 * below (runs are 1 MiB).
 */
export const DECODED_BYTES = LARGEST_BLOCK_SIZE

/**
 * Entries of the map in one write: a 16 MiB block of 256-byte pieces, smaller than any page or sector. Each entry becomes an object of
 * about 80 bytes, so a full map costs 5 MiB.
 */
export const MAPPED_BLOCKS = 65536

/**
 * Payload of one frame: the data of the largest block, and before it the longest head, a full map. A peer that has agreed on a smaller
 * block size is held to less, see `FrameDecoder`.
 */
export const LARGEST_PAYLOAD_BYTES = LARGEST_BLOCK_SIZE + MAPPED_BLOCKS * 16 + 4096

/**
 * What a payload that arrives in pieces is given at first; it grows by `PAYLOAD_GROWTH` as bytes come. A usual frame (a run of 1 MiB) is
 * allocated once, and a peer that sends a header and falls silent holds no more than this.
 */
export const FIRST_PAYLOAD_BYTES = 2 ** 20 + 4096

/**
 * Bytes that are read at once before a long payload is known to come: short frames come several at a time, and of a long one that begins
 * among them this much is copied.
 */
export const GATHERED_FRAMES_BYTES = 2 ** 14

/** Buffers kept for the next payloads that arrive in pieces: what a window has under way over loopback, 4 MiB of the usual frames. */
export const POOLED_PAYLOADS = 16

/** Growing fourfold, a 16 MiB payload is moved twice and a third of its bytes are copied again; at most four times what came is held. */
export const PAYLOAD_GROWTH = 4

/** Block numbers in one list: as many as fill a frame. Longer lists are sent in parts. */
export const LISTED_BLOCKS = 2 ** 22

/** Tags of blocks in one write: the largest payload in blocks of 512 bytes, which are the smallest. They stay a view of what came. */
export const LISTED_TAGS = 2 ** 15

/** Blocks in one patch: `PATCH_BYTES` of the smallest blocks that are patched, 8 KiB. */
export const PATCHED_BLOCKS = 2 ** 7

/** Bytes of the blocks that one patch changes, or one block: the receiver reads them, changes them in memory and stores them again. */
export const PATCH_BYTES = 2 ** 20

/** Identifiers in one `remove-from-map`: as many as fill a frame. */
export const REMOVED_IDS = 2 ** 21

/** Block hashes in one packet: a frame full of them, a disk of 28 GiB at 64 KiB a block. They stay two flat arrays, so they cost what they weigh. */
export const LISTED_HASHES = 2 ** 19

/** Places to fetch blocks from in one packet; each becomes an object of some 300 bytes, so a full list costs 20 MiB. */
export const ALTERNATE_SOURCES = 65536

/** The address of a block in an object store; longer keys do not exist in S3 (1,024 bytes) and endpoints are shorter than names of hosts allow. */
export const LOCATION_BYTES = 4096

/** Devices in one group. Each costs a provider, bitfields and handlers at the destination; virtual machines have a handful. */
export const DEVICES = 256

/** UTF-8 bytes of a device's name: it becomes the name of a file or a database at most. */
export const NAME_BYTES = 1024

/** UTF-8 bytes of a device's schema: a text written by hand or from a form of twenty lines. */
export const SCHEMA_BYTES = 65536

/** UTF-8 bytes of an error message: it ends on a screen or in a log. */
export const MESSAGE_BYTES = 4096

/**
 * Compressed bytes handed to the inflater at once: some inflate all they are given before anything can be counted, and deflate grows at
 * most 1032 times, so at most 4 MiB are inflated too many.
 */
export const INFLATE_BYTES = 4096

/** Bytes of unanswered requests that this side allows its peer: what `HANDLED_BYTES` leaves room for twice. */
export const WINDOW_BYTES = 2 ** 24

/** Packets for devices that nobody handles yet: what a peer sends right behind its hello, before this side has set up the device. */
export const EARLY_PACKETS = 256

/**
 * Bytes of these: the largest packet, which is more than a window. Well below `HANDLED_BYTES`, since beyond that nothing is read, and who is to set up the
 * device may wait for what is.
 */
export const EARLY_BYTES = LARGEST_PAYLOAD_BYTES

/** Silence after which the peer is asked whether it is there. */
export const PING_AFTER_MS = 15_000

/** Silence after which the peer counts as lost. Timers of hidden tabs fire once a minute, so anything shorter would lose peers that are alive. */
export const LOST_AFTER_MS = 150_000

/** How long the peer may take for its hello and its proof; a hidden tab may need a minute. */
export const HELLO_MS = 90_000

/** Bytes of one write request, unless the channel prefers more: a long run is cut, so that the window can follow the link in steps that are small beside it. */
export const REQUEST_BYTES = 2 ** 18

/**
 * Bytes of unanswered requests that are always allowed: two requests, so that one is on its way while another is being stored. An urgent block
 * waits for so many bytes to be stored: 0.5 ms at 1 GB/s.
 */
export const LEAST_WINDOW_BYTES = 2 ** 19

/** What a long request may take to cross the link: an urgent one waits for it, or for the two that are always allowed. */
export const LONG_REQUEST_MS = 20

/** Requests that may always be unanswered, also where a channel prefers larger ones: the same two. */
export const LEAST_REQUESTS = 2

/** Bytes of unanswered requests before the link is known: the first round trip with them says what it carries, so long links are filled soon. */
export const FIRST_WINDOW_BYTES = 2 ** 22

/** Unanswered bytes for each byte that the link holds: one for the link, one for the time the peer takes and for answers that come in bursts. */
export const PIPE_GAIN = 2

/** How long the peer counts as waiting after it has asked for something: readers ask again and again, and each time for one thing. */
export const HURRY_MS = 250

/** Shortest time over which a delivery rate is measured: some turns of two processes that share a core. */
export const RATE_SPAN_MS = 10

/** How long a delivery rate counts: a link that has become slower is noticed within twice this. */
export const FRESH_RATE_MS = 500

/** How long the shortest round trip counts at most, and at least; looking again costs about one round trip of transfer. */
export const FRESH_TRIP_MS = 10_000
export const LEAST_FRESH_TRIP_MS = 500

/** Round trips that the shortest one counts for in between: then looking again costs a hundredth. */
export const FRESH_TRIPS = 100

/** How long frames leave one after the other before the host hears what has come: an ack or an urgent request waits for no more. */
export const SEND_TURN_MS = 0.25

/**
 * What a request that is being handled costs beside its bytes: its objects and promises. Without it a peer could have us hold millions of
 * requests of one byte.
 */
export const REQUEST_COST_BYTES = 512

/** Bytes of requests that wait for the peer to prove itself: a stranger is not given more. */
export const UNPROVEN_BYTES = 2 ** 20

/** How long the last words and the orderly end of a connection may take before it is cut. */
export const CLOSE_MS = 10_000

/** Smallest payload that a peer may insist on: a block of the usual size and its head. */
export const SMALLEST_PAYLOAD_BYTES = 2 ** 16 + 64

/** Blocks taken from one request for blocks before their turn, which is advice: a peer cannot keep us busy with 13 bytes. */
export const NEED_AT_BLOCKS = 8192

/** Requests that ask for one range, or say that it is not wanted: 8 Mi blocks. Nobody waits for more at once, and a peer must not be flooded. */
export const NEED_AT_PIECES = 1024

/** Writes of one device stored at the same time; the others wait for their turn, since each is compared with all of these. */
export const ACTIVE_WRITES = 64

/** Bytes of one read request that is served. */
export const READ_BYTES = 2 ** 22

/** Block numbers in one dirty list: 256 KiB. */
export const DIRTY_LIST_BLOCKS = 2 ** 16

/** Bytes of frames that share a send: an urgent frame waits for at most this much, and small frames cost nearly nothing each. */
export const BATCH_BYTES = 2 ** 18

/** Frames that wait to be sent. Callers wait for each of theirs, so more means that somebody does not. */
export const QUEUED_FRAMES = 2 ** 16

/** Requests without an answer. The window of bytes is the real bound; this one holds for requests that carry none. */
export const PENDING_REQUESTS = 2 ** 16

/** Bytes of requests being worked on before a connection stops reading: the peer's window, and as much again for a peer without one. */
export const HANDLED_BYTES = 2 ** 25

/**
 * Bytes stored before their ack is sent at the latest: two requests of a channel that prefers large ones. Each ack costs both sides a system
 * call and wakes the sender: with one for each of them, a disk went over TCP at 0.8 of the bare channel instead of 0.9.
 */
export const ACK_BYTES = 2 ** 20

/** Ranges in one packet of acks: more are sent in several. */
export const ACK_RANGES = 4096

/** Blocks that the peer waits for and that pass others; beyond that everything is urgent and nothing is. */
export const NEEDED_BLOCKS = 65536

/** Hashes over pages of 256 blocks in one answer, 64 KiB: 64 GiB of 64 KiB blocks. */
export const CLAIMED_PAGES = 4096

/** Pages of 256 digests in one answer: 66 KiB. */
export const LEAF_PAGES = 16

/** Ranges of kept blocks in one packet: 64 KiB. More are sent in several. */
export const KEPT_RANGES = 8192

/**
 * Where large data should begin: at a multiple of this in the system's memory. Linux copied 256 KiB into and out of a loopback socket in two
 * thirds of the time it took from 22 bytes further.
 */
export const ALIGNMENT_BYTES = 64

/** Data that is worth padding: up to 76 bytes are less than a thousandth of it, and of a usual request a third of that. */
export const ALIGNED_DATA_BYTES = 2 ** 17

/** Bytes that are read with the end of a payload: padding and the next header. A few of the next payload may be among them, and are copied. */
export const READ_BEHIND_BYTES = 112
