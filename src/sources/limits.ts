const KiB = 1024
const MiB = 1024 * KiB

/** Bytes of an IndexedDB record where the caller names none: small enough that a 4 KiB write does not rewrite much. */
export const RECORD_SIZE = 64 * KiB

/** Largest record: Chromium fails on values of about 128 MiB (https://github.com/agektmr/BrowserStorageAbuser/issues/10), and reading one byte reads a whole record. */
export const LARGEST_RECORD_SIZE = 16 * MiB

/** Bytes of one IndexedDB write transaction: larger ones are no faster (measured in Chromium), and all of it is held by the browser until the commit. */
export const TRANSACTION_BYTES = 8 * MiB

/** Writes of one transaction: keeps tiny writes from making a transaction that blocks readers for long. */
export const TRANSACTION_WRITES = 4096

/** Write transactions under way together: while one commits, the next is filled; more would only queue inside the browser. */
export const TRANSACTIONS_IN_FLIGHT = 2

/** Queued bytes from which a second transaction is worth starting; fewer wait for the first, so that small writes still share one. */
export const SECOND_TRANSACTION_BYTES = 1 * MiB

/** Bytes of one `getAll`: well below the 128 MiB a browser moves between its processes at once. */
export const GET_ALL_BYTES = 8 * MiB

/** Keys of one `getAllKeys`: bounds what a walk over a full disk holds. */
export const KEYS_AT_ONCE = 8192

/** Times a transaction is repeated on a fresh connection; with the doubling delay this spans about 3 seconds. */
export const RECONNECT_ATTEMPTS = 6

/** Milliseconds before the first repetition; doubles each time. WebKit needs a moment after a page was in the background. */
export const RECONNECT_DELAY_MS = 50

/** Milliseconds a database may take to open: covers a slow disk, ends a wait behind another tab's blocked deletion. */
export const OPEN_TIMEOUT_MS = 10_000

/** Milliseconds to wait for a disk that someone else holds: a reloaded tab's lock lingers for up to about two seconds. */
export const LOCK_TIMEOUT_MS = 2_000

/** Milliseconds between two tries to open a locked file. */
export const LOCK_RETRY_MS = 40

/** Bytes of one call of a sync access handle: the count is a 32-bit number in browsers, and a larger call is no faster. */
export const HANDLE_CALL_BYTES = 64 * MiB

/** Bytes of a call of a sync access handle past which a byte gets no cheaper: a call costs about 50 µs in Chromium, 1 GB/s at 64 KiB, 5 at 1 MiB, 6 at 4 MiB. */
export const PREFERRED_HANDLE_BYTES = 4 * MiB

/** Bytes of one message to the OPFS worker: larger requests travel in pieces, so that copying and storing overlap. */
export const MESSAGE_BYTES = 1 * MiB

/** Buffers of `MESSAGE_BYTES` kept for reuse between page and worker. */
export const SPARE_BUFFERS = 8

/** Milliseconds a worker may take to load and answer. */
export const WORKER_TIMEOUT_MS = 10_000

/** Bytes of one writable stream of the asynchronous API: each copies the whole file first, so batches are large. */
export const STREAM_BYTES = 32 * MiB

/** Bytes of one `write` of a stream: Chromium fails now and then on larger ones (https://github.com/ai-ecoverse/slicc/issues/1979). */
export const STREAM_WRITE_BYTES = 1 * MiB

/** Times a batch of the asynchronous API is repeated. */
export const STREAM_ATTEMPTS = 3

/** Events kept until somebody listens; an opening emits one or two. */
export const EARLY_EVENTS = 16
