/** Memory that bytes arrive in, for {@link Channel.receiveInto}. */
export interface ByteSink {
  /** Where the next bytes go, at least one. Lent to the channel until it calls `filled`, or asks again. */
  room(): Uint8Array
  /**
   * So many bytes have come, at the start of the room last given. While a returned promise is pending, none come and the peer is held back; one
   * that rejects aborts the channel.
   */
  filled(bytes: number): Promise<void> | void
}

/**
 * What a transport gives: an ordered pipe of bytes to one peer, in both directions. Whole or ended: a byte that was lost ends the channel, it is
 * never skipped. Borders between sends are not kept; who needs messages frames them.
 *
 * ```
 *   open ──close()──► closing ──► ended(undefined)     what was sent before arrives, then both sides end in order
 *     └──abort(e), peer gone, network──► ended(error)  what is under way may be lost
 * ```
 */
export interface Channel {
  /** Which kind of transport this is, for people: `tcp`, `websocket`, `webrtc`, `message-port`, `memory`. */
  readonly kind: string
  /**
   * A fingerprint of the encrypted session that both sides know and nobody between them can choose; a shared secret is proved over it.
   * Undefined where the transport has none.
   */
  readonly binding?: Uint8Array
  /** Bytes of one send that serve this transport best, where each send is dear. Default: any number is fine. */
  readonly preferredBytes?: number
  /**
   * Bytes that are missing to where the system copies fast, if data follows `bytes` others in the next send; 0 to 63. Only where that
   * matters.
   */
  gap?(bytes: number): number
  /**
   * Sends the parts one behind the other. `parts` are borrowed until the promise settles; it resolves when there is room for more, which is
   * the back-pressure. Who does not wait for it is refused with `LIMIT_EXCEEDED`, which ends the channel, since a stream with a hole is none.
   * Rejects with the reason once the channel has ended, with `CLOSED` after `close` and after an end in order.
   */
  send(parts: readonly Uint8Array[]): Promise<void>
  /**
   * Says who takes what arrives; a second time is a `TypeError`. Bytes that came before are kept for it. The slices are the receiver's to keep.
   * While a returned promise is pending, no further slice comes and the peer is held back; one that rejects aborts the channel with that reason.
   * Set it at once, also where nothing is expected: some transports notice the end of the peer only by reading.
   */
  receive(handler: (bytes: Uint8Array) => Promise<void> | void): void
  /**
   * Says that nobody looks any more at a slice that {@link receive} handed out, so that its memory can be used again: where slices are made of
   * fresh memory, that memory costs more than what is done with it. Whoever keeps a slice just does not call this.
   */
  giveBack?(slice: Uint8Array): void
  /**
   * As {@link receive}, and instead of it, but what arrives is put where the sink wants it, without a buffer in between. Only on transports that
   * can: over loopback, where memory is the limit, TCP is half as fast again with it.
   */
  receiveInto?(sink: ByteSink): void
  /**
   * Ends the channel in order: what was sent before still arrives, and so does what the peer sends until its receiver has taken all of it.
   * Waits for that receiver, however slow; `abort` ends the wait. Idempotent; resolves when the channel has ended, however it ended.
   */
  close(): Promise<void>
  /** Ends the channel at once with this reason, or with `ABORTED` for none; the peer is told only that it is gone. Idempotent. */
  abort(reason: unknown): void
  /** Resolves, never rejects, when the channel has ended: with undefined when either side closed it in order, else with the reason. */
  readonly ended: Promise<unknown>
}
