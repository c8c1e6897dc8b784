const KiB = 1024
const MiB = 1024 * KiB

/** Sends that may wait at once: a sender that waits for each has one; a protocol with lanes has a few. More means nobody waits. */
export const PENDING_SENDS = 1024

/** Bytes that may wait behind the first pending send; one send alone may be of any size. They are the caller's, so this bounds a mistake, not us. */
export const PENDING_BYTES = 64 * MiB

/**
 * Credit a message costs beside its bytes: what the objects around a small one take in the receiver. Without it a peer could fill a window
 * of 16 MiB with millions of one-byte messages. Part of the format, since both ends count.
 */
export const MESSAGE_COST = 256

/** Parts smaller than this are copied together: one system call or message for several, while copying so little costs less than either. */
export const GATHERED_BYTES = 16 * KiB

/** Credit is given back in this many steps a window, so that some comes long before the last is spent. */
export const GRANTS_PER_WINDOW = 8

/**
 * Bytes of the largest such step: each is a message, so large ones are cheap, but a sender that holds back at 1 MiB unsent looks again only when
 * one comes, so they must be well below that.
 */
export const GRANT_STEP_BYTES = 512 * KiB

/** Smallest window: below it the cost of a message leaves no room for its bytes. */
export const SMALLEST_WINDOW_BYTES = 4 * KiB

/** Largest credit one message may grant: a window far beyond any link; more is a peer that lies or a broken one. */
export const LARGEST_GRANT = 2 ** 31

/** Milliseconds to wait, once both ends have confirmed everything, for the peer to say that it knows: only a peer that has just died makes it pass. */
export const LINGER_MS = 5_000

/** Bytes under way between two ends in one realm: enough for both to run, little to hold. */
export const MEMORY_WINDOW_BYTES = 1 * MiB

/** Bytes of one message in memory. */
export const MEMORY_MESSAGE_BYTES = 256 * KiB

/** Bytes that should be sent between ports at once. Each message wakes the other realm: with 256 KiB Chromium took twice the processor time. */
export const PORT_SEND_BYTES = 1 * MiB

/** Bytes of one message between ports: so much and the head of a frame, so that its receiver has it in one piece. */
export const PORT_MESSAGE_BYTES = PORT_SEND_BYTES + 4 * KiB

/** Bytes under way between ports, which themselves queue without bound: about 4 ms of work, and what an urgent frame may have before it. */
export const PORT_WINDOW_BYTES = 4 * MiB

/** Bytes of buffers a port keeps for the next messages: those of a window, which are all that can be under way. */
export const PORT_SPARE_BYTES = PORT_WINDOW_BYTES

/** Bytes on their way to one receiver across a network, at first: 200 MB/s at 10 ms, and little in front of a slow receiver. */
export const LINK_WINDOW_BYTES = 2 * MiB

/** Bytes that window grows to on a longer link: 160 MB/s at 100 ms, three times the TCP window of Linux by default. */
export const LARGEST_LINK_WINDOW_BYTES = 16 * MiB

/**
 * Bytes that should be sent over a WebSocket at once. In browsers each message, and the credit and the ack that answer it, passes three
 * processes: with 512 KiB Chromium took up to a tenth more time. The receiver holds each whole before anybody sees it.
 */
export const WEBSOCKET_SEND_BYTES = 1 * MiB

/** Bytes of one WebSocket message: so much and the head of a frame, so that its receiver has it in one piece. */
export const WEBSOCKET_MESSAGE_BYTES = WEBSOCKET_SEND_BYTES + 4 * KiB

/**
 * Bytes a WebSocket may hold unsent: what an urgent frame waits for at most, and what keeps the socket busy until the next credit comes. Two
 * messages: browsers tell of room only by that credit, and with one message for each, no more than that one would ever be on a long link.
 */
export const WEBSOCKET_BUFFERED_BYTES = 2 * MiB

/** Bytes of buffers kept for the next messages, where the socket sends from them: what may be unsent, and one more. */
export const WEBSOCKET_SPARE_BYTES = WEBSOCKET_BUFFERED_BYTES + WEBSOCKET_MESSAGE_BYTES

/**
 * Bytes of one data channel message, where the peer takes that much. Chromium and libdatachannel advertise 256 KiB; a large message holds up
 * all other channels of the connection.
 */
export const DATA_CHANNEL_MESSAGE_BYTES = 64 * KiB

/** Bytes every implementation takes, for a peer that does not say: the old limit between Firefox and Chromium, see README. */
export const SAFE_MESSAGE_BYTES = 16 * KiB

/** Bytes a data channel may hold unsent. Chromium ends the channel beyond 16 MiB, and close below that its low-water event stays away, see README. */
export const DATA_CHANNEL_BUFFERED_BYTES = 1 * MiB

/** Bytes left in a data channel when it says that there is room again: half a cap, so that it never runs dry while the event is on its way. */
export const DATA_CHANNEL_LOW_BYTES = 512 * KiB

/** Bytes of small sends a TCP socket holds copied before their senders wait for the system: some turns of work, a moment on the wire. */
export const TCP_BUFFERED_BYTES = 256 * KiB

/** Bytes of a buffer that a TCP socket reads into for a receiver without memory of its own: as large as the reads of Node itself. */
export const TCP_READ_BYTES = 64 * KiB

/** Bytes of one write to TLS, which copies and encrypts a write whole before any of it leaves. */
export const TLS_WRITE_BYTES = 256 * KiB

/** Milliseconds of silence after which TCP asks whether the peer is still there; dialects without a ping notice a dead one by this alone. */
export const TCP_KEEP_ALIVE_MS = 30_000

/** Milliseconds a TLS or WebSocket handshake may take. */
export const HANDSHAKE_TIMEOUT_MS = 10_000

/** Connections one server keeps at once: each may hold a window of bytes. */
export const CONNECTIONS = 64

/** Those of them that nobody has let in yet, each in the moment of its handshakes: half, so that strangers never take the room of the others. */
export const STANDING_CONNECTIONS = 32

/**
 * Bytes that should be sent over TCP at once: over loopback every send wakes the peer, and with 256 KiB, and half as much unanswered, the sender took a third more processor time. Two of
 * them and what the next is read into stay in the caches of a processor core.
 */
export const TCP_SEND_BYTES = 512 * KiB

/** Linux took half as much time again to copy large data from or to where it does not lie at a multiple of this. */
export const ALIGNED_BYTES = 64
