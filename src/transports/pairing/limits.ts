const KiB = 1024

/** Bytes of a secret: 128 bits, which nobody guesses, in 22 characters of a link. */
export const SECRET_BYTES = 16

/** Bytes of a room's name: as hard to hit by chance as the secret. */
export const ROOM_BYTES = 16

/** Bytes of one message through a rendezvous: a session description with a dozen candidates takes 3 KiB. */
export const MESSAGE_BYTES = 32 * KiB

/**
 * Messages one side may send through a rendezvous: an offer or an answer is one; the rest is for a second attempt. With their size it bounds what
 * waits for a partner that does not take it: 512 KiB.
 */
export const MESSAGES = 16

/** Milliseconds a room is kept: long enough to carry a phone to the screen, short enough that a link that leaks is worth nothing. */
export const ROOM_MS = 10 * 60_000

/** Milliseconds until a connection must have said which room it wants: only who means no business takes longer. */
export const JOIN_MS = 10_000

/** Rooms at once: some kilobytes each, hence a few megabytes under the worst flood. */
export const ROOMS = 1000

/** Connections of one address at once: a household behind one router, not a flood. */
export const CONNECTIONS_PER_ADDRESS = 32

/** New connections of one address within {@link ATTEMPTS_MS}: nobody opens links faster, and who guesses rooms is slowed down. */
export const ATTEMPTS = 60

/** Milliseconds over which new connections are counted. */
export const ATTEMPTS_MS = 60_000

/** Addresses whose attempts are remembered; beyond it nobody new is let in until the count begins anew. */
export const ADDRESSES = 10_000

/** Milliseconds for a tab of this browser to answer: it does in one, also hidden, unless it is busy or frozen. */
export const TAB_ANSWER_MS = 1_500

/** Milliseconds to look for addresses under which this side can be reached; those found until then must do. */
export const GATHER_MS = 2_500

/**
 * Milliseconds a host that has answered leaves the first word to its guest: over them an answer has come through a rendezvous and was taken, and
 * who is reached by the guest has connected already. Only a guest that cannot reach its host waits for them.
 */
export const FIRST_WORD_MS = 1_000

/** Milliseconds from the offer to an open channel. ICE itself gives up after some fifteen seconds. */
export const CONNECT_MS = 30_000

/** Milliseconds for a pasted answer: people are slower than machines. */
export const PASTE_MS = 10 * 60_000

/** Messages waiting for who signals; more is a flood. */
export const UNREAD_MESSAGES = 16
